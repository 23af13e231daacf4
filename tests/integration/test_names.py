"""The tables' names in a site's Hive metastore: a service of its own, reached by Thrift."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lake.settings import CONF
from tests.lakes import DropLake
from tests.processes import BIN, run, wait_for

pytestmark = pytest.mark.integration

SERVICE = "org.apache.hadoop.hive.metastore.HiveMetaStore"
PROPERTY = "  <property><name>{}</name><value>{}</value></property>"


def write_site(folder: Path, sandbox: Path, **properties: str) -> Path:
    """Write a Hadoop configuration for the sandbox's HDFS, with properties of Hive's if any."""
    folder.mkdir()
    for name in ("core-site.xml", "hdfs-site.xml"):
        shutil.copy(sandbox / name, folder)
    if properties:
        lines = [
            PROPERTY.format(name.replace("_", "."), value) for name, value in properties.items()
        ]
        text = "\n".join(["<configuration>", *lines, "</configuration>"])
        (folder / "hive-site.xml").write_text(text, "utf-8")
    return folder


@pytest.fixture
def metastore(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start Hive's own metastore service, on an empty database."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    site = write_site(
        tmp_path / "service",
        Path(environment["FLO_VAR"]) / "hadoop",
        javax_jdo_option_ConnectionURL=f"jdbc:derby:;databaseName={tmp_path}/names;create=true",
        datanucleus_schema_autoCreateAll="true",
        hive_metastore_schema_verification="false",
        hive_async_log_enabled="false",
        hive_metastore_warehouse_dir="/tests/warehouse",
    )
    env = {**environment, "SPARK_CONF_DIR": str(CONF), "HADOOP_CONF_DIR": str(site)}
    with (tmp_path / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / "spark-class"), SERVICE, "-p", str(port)], env=env, cwd=tmp_path,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "service.log").read_text("utf-8")
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers, "a metastore that answers")
        yield f"thrift://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait(timeout=30)


def test_names_are_published_to_the_metastore_that_the_settings_name(
    metastore: tuple[str, subprocess.Popen[bytes]],
    new_lake: Callable[[], DropLake],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """`flo init` registers all tables there; any Spark of the site finds them by name.

    Once the metastore is gone, `flo init` warns of it and goes on.
    """
    address, service = metastore
    lake = new_lake()
    uris = {"spark.hadoop.hive.metastore.uris": address}
    site = write_site(tmp_path / "site", Path(environment["FLO_VAR"]) / "hadoop")
    env = {
        **environment,
        "HADOOP_CONF_DIR": str(site),
        "FLO_ROOT": lake.settings.root,
        "FLO_SPARK": json.dumps(uris),
    }
    assert "8 names published" in run("flo", "init", env=env).stderr

    plain = {**env, "SPARK_CONF_DIR": str(CONF)}
    [(name, value)] = uris.items()
    asked = "SHOW TABLES IN flo; SELECT count(*) FROM flo.drops"
    told = run("spark-sql", "--conf", f"{name}={value}", "-e", asked, env=plain).stdout
    assert "customer_features" in told
    assert told.split()[-1] == "0"

    service.kill()
    service.wait(timeout=30)
    again = run("flo", "init", env=env).stderr
    assert "names not published" in again
    assert "0 names published" in again
    assert "Traceback" not in again
