"""What the written configuration says."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from sandbox import hadoop_conf, yarn
from sandbox.paths import Paths
from sandbox.ports import HDFS_PORTS, YARN_PORTS

PORTS = {name: 20000 + number for number, name in enumerate((*HDFS_PORTS, *YARN_PORTS))}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the places of a sandbox, claimed, with all configuration written."""
    paths = Paths(tmp_path)
    paths.claim()
    hadoop_conf.write_hdfs(paths, PORTS)
    yarn.write(paths, PORTS)
    return paths


def read(path: Path) -> dict[str, str]:
    """Return the properties of a configuration file."""
    root = ElementTree.parse(path).getroot()
    return {p.findtext("name", ""): p.findtext("value", "") for p in root.iter("property")}


def test_clients_find_the_file_system(paths: Paths) -> None:
    """HADOOP_CONF_DIR is all that a client needs."""
    assert read(paths.client_conf / "core-site.xml")["fs.defaultFS"] == "hdfs://127.0.0.1:20000"
    hdfs = read(paths.client_conf / "hdfs-site.xml")
    assert hdfs["dfs.replication"] == "1"
    hive = read(paths.client_conf / "hive-site.xml")
    assert hive["javax.jdo.option.ConnectionURL"] == "jdbc:derby://127.0.0.1:20005/metastore"


def test_closing_a_file_is_quick_and_patient(paths: Paths) -> None:
    """The first poll comes after 5 ms, the last one after at least ten seconds."""
    hdfs = read(paths.client_conf / "hdfs-site.xml")
    prefix = "dfs.client.block.write.locateFollowingBlock"
    delay, retries = int(hdfs[f"{prefix}.initial.delay.ms"]), int(hdfs[f"{prefix}.retries"])
    assert delay == 5
    assert delay * (2**retries - 1) > 10_000


def test_every_address_is_loopback(paths: Paths) -> None:
    """Nothing that the sandbox opens can be reached from another machine."""
    addresses = [
        value
        for file in paths.home.rglob("*-site.xml")
        for name, value in read(file).items()
        if re.search(r"address$|bind-host$|resourcemanager\.hostname$", name)
    ]
    assert len(addresses) > 12
    assert {address.split(":")[0] for address in addresses} == {"127.0.0.1"}


def test_values_are_escaped() -> None:
    """A directory with an ampersand in its name does not break the XML."""
    xml = hadoop_conf.to_xml({"a": "x & <y>"})
    assert ElementTree.fromstring(xml).findtext("property/value") == "x & <y>"


def test_same_configuration_is_not_written_again(paths: Paths) -> None:
    """A second `up` leaves the files that clients may be reading."""
    before = (paths.client_conf / "core-site.xml").stat()
    hadoop_conf.write_hdfs(paths, PORTS)
    after = (paths.client_conf / "core-site.xml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
