"""Start, find and stop the daemons' processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import psutil

from sandbox.daemons import Daemon, log_file, out_file
from sandbox.errors import UNREACHABLE, SandboxError
from sandbox.paths import Paths
from sandbox.ports import LOOPBACK

#: The shell starts the daemon and ends at once: the daemon is no child of ours, holds none of
#: our streams, and `exec` makes the printed number the daemon's own.
_LAUNCH = 'out=$1; shift; (exec "$@") </dev/null >>"$out" 2>&1 & echo $!'


def start(daemon: Daemon, paths: Paths, command: list[str], java: Path) -> psutil.Process | None:
    """Start a daemon in a session of its own and note its pid."""
    out = out_file(daemon, paths)
    out.write_bytes(b"")
    run = subprocess.run(
        ["/bin/sh", "-c", _LAUNCH, "sh", str(out), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=paths.home,
        start_new_session=True,
        env=_environment(java),
        check=False,
    )
    if run.returncode != 0 or not run.stdout.strip().isdecimal():
        raise SandboxError(
            f"The {daemon.title} could not be started: {run.stderr.strip()}", UNREACHABLE
        )
    pid = int(run.stdout)
    (paths.run / f"{daemon.name}.pid").write_text(f"{pid}\n", "utf-8")
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid)
    return None


def _environment(java: Path) -> dict[str, str]:
    """Return what a daemon may know of the caller's environment: nothing that configures Java."""
    kept = ("HOME", "LANG", "PATH", "TZ", "USER", "HADOOP_USER_NAME")
    # YARN's containers are given the NodeManager's, and open their ports on loopback too.
    given = {"JAVA_HOME": str(java), "SPARK_LOCAL_IP": LOOPBACK}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **given}


def find(daemon: Daemon, paths: Paths) -> psutil.Process | None:
    """Return the daemon's process, if it is alive; a stale or foreign pid is not it."""
    noted = _noted(daemon, paths)
    if noted is not None and _is_it(noted, daemon, paths):
        return noted
    if not paths.run.is_dir():
        return None
    # The pid file may have been lost: the command line says whose it is.
    for process in psutil.process_iter():
        if _is_it(process, daemon, paths):
            return process
    return None


def _noted(daemon: Daemon, paths: Paths) -> psutil.Process | None:
    try:
        return psutil.Process(int((paths.run / f"{daemon.name}.pid").read_text("utf-8")))
    except (OSError, ValueError, psutil.Error):
        return None


def _is_it(process: psutil.Process, daemon: Daemon, paths: Paths) -> bool:
    try:
        words = process.cmdline()
        return (
            f"-Dflo.daemon={daemon.name}" in words
            and f"-Dflo.sandbox={paths.home}" in words
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process still runs (a zombie does not)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def stop(processes: Iterable[psutil.Process], grace: float) -> None:
    """Ask the processes to end, wait, and end the ones that did not."""
    alive = [process for process in processes if is_alive(process)]
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(alive, timeout=grace)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _, left = psutil.wait_procs(stubborn, timeout=grace)
    if any(is_alive(process) for process in left):
        pids = ", ".join(str(process.pid) for process in left)
        raise SandboxError(f"Processes {pids} could not be ended: end them by hand.", UNREACHABLE)


def strays(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in `folder`: containers that outlived their NodeManager."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def last_lines(daemon: Daemon, paths: Paths, count: int = 5) -> str:
    """Return the end of a daemon's log, for an error message."""
    for path in (out_file(daemon, paths), log_file(daemon, paths)):
        with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as lines:
            told = deque((line.rstrip() for line in lines if _tells(line)), count)
            if told:
                return "\n".join(f"  {line}" for line in told)
    return "  (its log is empty)"


def _tells(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(("at ", "WARNING:"))
