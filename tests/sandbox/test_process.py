"""Whose process it is: a pid file alone is not believed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import process
from sandbox.core import Sandbox
from sandbox.daemons import DATANODE, NAMENODE, Daemon, properties
from sandbox.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """Return the places of a sandbox, and end what it started."""
    paths = Paths(tmp_path)
    paths.claim()
    yield paths
    left = [p for d in (NAMENODE, DATANODE) if (p := process.find(d, paths))]
    for each in left:
        each.kill()
    # Not until it is gone from the list: whose child it is now may take seconds to look after it.
    wait_until(lambda: not any(process.is_alive(each) for each in left))


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pretend(
    paths: Paths, code: str = "import time; time.sleep(60)", daemon: Daemon = NAMENODE
) -> psutil.Process:
    """Start something that bears a daemon's marks."""
    marks = [f"-D{name}={value}" for name, value in properties(daemon, paths).items()]
    line = [sys.executable, "-c", code, *marks]
    started = process.start(daemon, paths, line, Path("/java"))
    assert started is not None
    wait_until(lambda: process.find(daemon, paths) is not None)
    return started


def test_daemon_is_on_its_own(paths: Paths) -> None:
    """A daemon has a session of its own and none of the caller's streams."""
    started = pretend(paths)
    assert os.getsid(started.pid) != os.getsid(0)
    assert started.ppid() != os.getpid()
    streams = {str(Path(f"/proc/{started.pid}/fd/{n}").readlink()) for n in range(3)}
    assert streams == {"/dev/null", str(paths.logs / "namenode.out")}


def test_daemon_is_found_without_its_pid_file(paths: Paths) -> None:
    """A lost pid file does not make two daemons of one."""
    started = pretend(paths)
    (paths.run / "namenode.pid").unlink()
    found = process.find(NAMENODE, paths)
    assert found is not None
    assert found.pid == started.pid


@pytest.mark.parametrize(
    "noted",
    [str(os.getpid()), "999999999", "", "torn"],
    ids=["another program", "no process", "empty", "torn"],
)
def test_stale_pid_is_not_believed(paths: Paths, noted: str) -> None:
    """A pid that is now another program's, nobody's or unreadable is no daemon."""
    (paths.run / "namenode.pid").write_text(noted)
    assert process.find(NAMENODE, paths) is None


def test_another_sandbox_is_not_ours(paths: Paths, tmp_path: Path) -> None:
    """Two sandboxes never take each other's daemons for their own."""
    pretend(paths)
    other = Paths(tmp_path / "other")
    other.claim()
    assert process.find(NAMENODE, other) is None
    assert process.find(DATANODE, paths) is None


def test_stubborn_daemon_is_ended(paths: Paths) -> None:
    """What does not end when asked to is ended, as is one that does."""
    code = (
        "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    stubborn, obedient = pretend(paths, code), pretend(paths, daemon=DATANODE)
    wait_until((paths.logs / "namenode.out").read_text)
    process.stop([stubborn, obedient], grace=0.5)
    assert process.find(NAMENODE, paths) is None
    assert process.find(DATANODE, paths) is None


def test_last_lines_are_told(paths: Paths) -> None:
    """An error shows the end of the log without its stack trace."""
    (paths.logs / "namenode.log").write_text("fine\nERROR: no\n\tat org.x.Y(Z.java:1)\n")
    assert process.last_lines(NAMENODE, paths) == "  fine\n  ERROR: no"


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    """Looking at, stopping and wiping a sandbox that never was changes nothing."""
    sandbox = Sandbox(tmp_path / "never")
    sandbox.down()
    sandbox.wipe()
    assert not sandbox.status().running
    assert sandbox.status().fs is None
    assert not (tmp_path / "never").exists()


def test_import_needs_no_package() -> None:
    """The set-up can be imported by a Python that has nothing installed."""
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); import sandbox, sandbox.bootstrap"
    line = [sys.executable, "-I", "-S", "-c", f"{code}; sys.exit('psutil' in sys.modules)"]
    assert subprocess.run(line, check=False).returncode == 0
