"""Ports are picked once, kept, and on loopback."""

import json
import socket
from pathlib import Path

import pytest

from sandbox import ports
from sandbox.errors import SandboxError


def test_ports_are_kept(tmp_path: Path) -> None:
    """A sandbox finds its ports again."""
    kept = tmp_path / "ports.json"
    first = ports.settle(kept, ports.HDFS_PORTS, {})
    assert set(first) == set(ports.HDFS_PORTS)
    assert len(set(first.values())) == len(first)
    assert ports.settle(kept, ports.HDFS_PORTS, {}) == first


def test_yarn_ports_join_the_kept_ones(tmp_path: Path) -> None:
    """Asking for YARN later moves nothing that is there."""
    kept = tmp_path / "ports.json"
    first = ports.settle(kept, ports.HDFS_PORTS, {})
    both = ports.settle(kept, (*ports.HDFS_PORTS, *ports.YARN_PORTS), {})
    assert first.items() <= both.items()


def test_set_port_is_used_and_kept(tmp_path: Path) -> None:
    """A port that the user sets is the port."""
    kept = tmp_path / "ports.json"
    assert ports.settle(kept, ports.HDFS_PORTS, {"namenode": 9000})["namenode"] == 9000
    assert json.loads(kept.read_text())["namenode"] == 9000


def test_environment_wins_over_argument() -> None:
    """FLO_NAMENODE_PORT overrides a setting, as every FLO_ variable does."""
    assert ports.chosen({"namenode": 1000}, {"FLO_NAMENODE_PORT": "2000"}) == {"namenode": 2000}


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http"])
def test_impossible_port_is_refused(value: str) -> None:
    """A port that is none is refused by the variable's name."""
    with pytest.raises(SandboxError, match="FLO_METASTORE_PORT is"):
        ports.chosen(None, {"FLO_METASTORE_PORT": value})


def test_unknown_port_name_is_refused() -> None:
    """A misspelt name does not pass in silence."""
    with pytest.raises(SandboxError, match="no sandbox port 'namnode'"):
        ports.chosen({"namnode": 1}, {})


def test_same_port_twice_is_refused(tmp_path: Path) -> None:
    """Two daemons cannot share a port."""
    with pytest.raises(SandboxError, match="Port 9000 is set for both"):
        ports.settle(tmp_path / "p", ports.HDFS_PORTS, {"namenode": 9000, "datanode": 9000})


def test_torn_file_is_named(tmp_path: Path) -> None:
    """A damaged ports file is named, with the remedy."""
    (tmp_path / "ports.json").write_text('{"namenode": ')
    with pytest.raises(SandboxError, match=r"ports\.json cannot be read"):
        ports.load(tmp_path / "ports.json")


def test_used_port_is_not_free() -> None:
    """A port that somebody listens on is seen as taken, and as free once released."""
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.is_open(port)
    assert ports.is_free(port)
    assert not ports.is_open(port)
