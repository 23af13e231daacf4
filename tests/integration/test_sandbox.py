"""The sandbox is a real HDFS that keeps its data, whatever happens to its processes."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hdfs_native import Client, WriteOptions

from sandbox import Sandbox, SandboxError, Status

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a sandbox of this module's own."""
    one = Sandbox(tmp_path_factory.mktemp("sandbox") / "var")
    yield one
    one.wipe()
    assert not one.paths.home.exists()


def client(status: Status) -> Client:
    """Speak to HDFS with a client that starts no Java."""
    return Client(status.fs, config_dir=str(status.conf))


def put(status: Status, name: str, text: str) -> None:
    """Store a file in HDFS."""
    with client(status).create(name, WriteOptions(overwrite=True)) as file:
        file.write(text.encode())


def cat(status: Status, name: str) -> str:
    """Return a file of HDFS."""
    with client(status).read(name) as file:
        return bytes(file.read()).decode()


def pid_of(status: Status, name: str) -> int:
    """Return a daemon's process."""
    pid = next(daemon.pid for daemon in status.daemons if daemon.name == name)
    assert pid is not None
    return pid


def test_up_twice_is_up_once(sandbox: Sandbox) -> None:
    """A second `up`, even at the same moment, starts nothing and finds the same daemons."""
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: sandbox.up(), range(2))
    assert first.ready
    assert first == second == sandbox.up() == sandbox.status()


def test_file_survives_down_and_up(sandbox: Sandbox) -> None:
    """Taking the sandbox down loses nothing, and it comes up where it was."""
    before = sandbox.up()
    put(before, "/kept", "kept")
    sandbox.down()
    assert not sandbox.status().running
    after = sandbox.up()
    assert after.fs == before.fs
    assert cat(after, "/kept") == "kept"


@pytest.mark.parametrize("name", ["namenode", "datanode", "metastore"])
def test_file_survives_a_kill(sandbox: Sandbox, name: str) -> None:
    """A daemon that is killed is the only one started again, and the data is intact."""
    before = sandbox.up()
    put(before, f"/{name}", name)
    killed = psutil.Process(pid_of(before, name))
    killed.kill()
    psutil.wait_procs([killed], timeout=5)
    assert not sandbox.status().ready
    after = sandbox.up()
    assert cat(after, f"/{name}") == name
    put(after, f"/{name}", "written again")
    others = [d.pid for d in before.daemons if d.name != name]
    assert [d.pid for d in after.daemons if d.name != name] == others


def test_two_sandboxes_side_by_side(sandbox: Sandbox, tmp_path: Path) -> None:
    """Two sandboxes know nothing of each other."""
    one = sandbox.up()
    put(one, "/mine", "mine")
    other = Sandbox(tmp_path / "var")
    try:
        two = other.up()
        assert one.fs != two.fs
        with pytest.raises(FileNotFoundError):
            client(two).get_file_info("/mine")
    finally:
        other.wipe()
    assert not (tmp_path / "var").exists()
    assert sandbox.status().ready


def test_everything_listens_on_loopback(sandbox: Sandbox) -> None:
    """No other machine can reach the sandbox."""
    status = sandbox.up()
    opened = {
        (connection.laddr.ip, connection.laddr.port)
        for daemon in status.daemons
        for connection in psutil.Process(pid_of(status, daemon.name)).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip for ip, _ in opened} == {"127.0.0.1"}
    assert {port for d in status.daemons for port in d.ports.values()} <= {p for _, p in opened}


def test_users_are_told_apart(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions hold: a user writes where it may and nowhere else."""
    status = sandbox.up()
    ours = client(status)
    for name in ("/theirs", "/ours"):
        ours.mkdirs(name)
    ours.set_owner("/theirs", "supplier")
    monkeypatch.setenv("HADOOP_USER_NAME", "supplier")
    theirs = client(status)
    theirs.create("/theirs/a").close()
    with pytest.raises(Exception, match="Permission denied"):
        theirs.create("/ours/a")


def test_yarn_joins_and_leaves(sandbox: Sandbox) -> None:
    """YARN can be added to a running sandbox, is on loopback too, and is not needed afterwards."""
    hdfs = sandbox.up()
    both = sandbox.up(yarn=True)
    assert both.ready
    assert [daemon.name for daemon in both.daemons[3:]] == ["resourcemanager", "nodemanager"]
    assert both.daemons[:3] == hdfs.daemons
    for name in ("resourcemanager", "nodemanager"):
        opened = psutil.Process(pid_of(both, name)).net_connections()
        assert {c.laddr.ip for c in opened if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert sandbox.up() == both
    sandbox.down()
    assert sandbox.up().daemons[3:] == ()


def test_taken_port_is_one_sentence(sandbox: Sandbox) -> None:
    """A port that another program took meanwhile is named, with the remedy; nothing is started."""
    port = next(d for d in sandbox.up().daemons if d.name == "datanode").ports["datanode_http"]
    sandbox.down()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen(1)
        with pytest.raises(SandboxError, match=f"Port {port} .* FLO_DATANODE_HTTP_PORT"):
            sandbox.up()
    assert not sandbox.status().running


def test_daemon_that_dies_is_told_with_its_log(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that cannot start is named with the end of its log, and none is left behind."""
    sandbox.down()
    version = sandbox.paths.name_dir / "current" / "VERSION"
    kept = version.read_text()
    version.write_text("torn")
    with pytest.raises(SandboxError, match="The NameNode ended as it started") as caught:
        sandbox.up()
    assert caught.value.exit_code == 3
    assert not sandbox.status().running
    version.write_text(kept)
    assert sandbox.up().ready
