"""The sandbox itself: bring a real HDFS up on this machine, look at it, take it down."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from sandbox import hadoop_conf, ports, process, yarn
from sandbox.daemons import DATANODE, HDFS, Daemon, command, log_file
from sandbox.errors import UNREACHABLE, SandboxError
from sandbox.java import find_java
from sandbox.lock import locked
from sandbox.paths import Paths
from sandbox.project import jars_dir, pyspark_jars
from sandbox.status import DaemonStatus, Status
from sandbox.storage import make_storage, unpack_pages

#: Seconds: how long a daemon may take to be ready, and to end when asked to.
READY_WITHIN = 120.0
GRACE = 15.0
#: The NameNode goes into safe mode when its disk has less than 100 MB left.
_ROOM = 300 * 1024 * 1024


class Sandbox:
    """A real single-node HDFS, with the names of the tables and, if asked for, YARN.

    Everything it keeps is under `var`, so two sandboxes with two `var` know nothing of each
    other. All methods may be repeated, and called by several processes at once.

    >>> Sandbox(Path("var")).up().fs  # doctest: +SKIP
    'hdfs://127.0.0.1:28121'
    """

    def __init__(self, var: Path) -> None:
        # Not resolved: what the user calls the place is what messages call it.
        self.paths = Paths(Path(os.path.abspath(var)))  # noqa: PTH100

    def up(self, yarn: bool = False, ports: Mapping[str, int] | None = None) -> Status:
        """Start what is not running, wait until all is ready, and say where it is.

        Ports named in `ports` (or in `FLO_NAMENODE_PORT` and its like) are used, the others are
        picked once and kept. Data of earlier runs is found again.
        """
        with locked(self.paths.lock, patience=READY_WITHIN + GRACE):
            return self._up(yarn, ports)

    def down(self) -> None:
        """Stop every daemon; the data stays."""
        if not self.paths.home.exists():
            return
        with locked(self.paths.lock, patience=READY_WITHIN + GRACE):
            self._down()

    def wipe(self) -> None:
        """Stop every daemon and remove all that the sandbox made, data included."""
        if not self.paths.var.exists():
            return
        with locked(self.paths.lock, patience=READY_WITHIN + GRACE):
            self._down()
            self.paths.remove()
            self.paths.lock.unlink(missing_ok=True)
        self.paths.remove_if_empty()

    def status(self) -> Status:
        """Look, without changing or waiting for anything."""
        kept = ports.load(self.paths.ports)
        return self._status(kept)

    def _up(self, with_yarn: bool, settings: Mapping[str, int] | None) -> Status:
        # What the machine lacks is said before anything is made.
        java, class_path = find_java(), self._class_path()
        self.paths.claim()
        self._require_room()
        fixed = ports.chosen(settings, os.environ)
        running = {d.name for d in _wanted(True) if process.find(d, self.paths)}
        self._refuse_moving(fixed, running)
        names = (*ports.HDFS_PORTS, *(ports.YARN_PORTS if with_yarn else ()))
        chosen = ports.settle(self.paths.ports, names, fixed)
        absent = [d for d in _wanted(with_yarn) if d.name not in running]
        self._refuse_taken(absent, chosen)
        hadoop_conf.write_hdfs(self.paths, chosen)
        unpack_pages(jars_dir("sandbox").glob("hadoop-*.jar"), self.paths.server_conf)
        if with_yarn:
            yarn.write(self.paths, chosen)
        self._start(absent, java, class_path, chosen)
        return self._status(chosen)

    def _start(
        self, absent: list[Daemon], java: Path, class_path: str, chosen: Mapping[str, int]
    ) -> None:
        started: list[psutil.Process] = []
        try:
            # The DataNode first: it can knock while the NameNode's image is being made.
            for daemon in sorted(absent, key=lambda one: one is not DATANODE):
                if daemon is not DATANODE:
                    warehouse = hadoop_conf.warehouse(chosen)
                    make_storage(self.paths, java, class_path, warehouse)
                line = command(daemon, self.paths, java, class_path, daemon.arguments(chosen))
                if new := process.start(daemon, self.paths, line, java):
                    started.append(new)
            yarn_up = [d for d in yarn.DAEMONS if d in absent]
            self._await_ready([*HDFS, *yarn_up], chosen)
        except BaseException:
            # Interrupted or failed: leave the machine as it was found.
            process.stop(started, GRACE)
            raise

    def _await_ready(self, daemons: Iterable[Daemon], chosen: Mapping[str, int]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        for daemon in daemons:
            while (lacking := daemon.probe(chosen)) is not None:
                self._refuse_dead(daemon)
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"The {daemon.title} was not ready after {READY_WITHIN:.0f} s "
                        f"({lacking}): see {log_file(daemon, self.paths)}.",
                        UNREACHABLE,
                    )
                time.sleep(0.1)

    def _refuse_dead(self, daemon: Daemon) -> None:
        # The NameNode waits for the DataNode, so a death of either is the one to tell.
        for one in {daemon.name: daemon, **({d.name: d for d in HDFS} if daemon in HDFS else {})}:
            other = _by_name(one)
            if process.find(other, self.paths) is None:
                raise SandboxError(
                    f"The {other.title} ended as it started; {log_file(other, self.paths)} "
                    f"says:\n{process.last_lines(other, self.paths)}",
                    UNREACHABLE,
                )

    def _down(self) -> None:
        # The NodeManager takes its leave of the ResourceManager, so that one goes later.
        for group in ((yarn.NODEMANAGER,), (yarn.RESOURCEMANAGER, *HDFS)):
            found = [process.find(daemon, self.paths) for daemon in group]
            process.stop([one for one in found if one], GRACE)
        process.stop(process.strays(self.paths.yarn_dir), GRACE)
        for daemon in _wanted(True):
            (self.paths.run / f"{daemon.name}.pid").unlink(missing_ok=True)

    def _status(self, chosen: Mapping[str, int]) -> Status:
        # YARN is told of while any of it runs: a sandbox without it lacks nothing.
        with_yarn = any(process.find(daemon, self.paths) for daemon in yarn.DAEMONS)
        return Status(
            daemons=tuple(self._look(daemon, chosen) for daemon in _wanted(with_yarn)),
            fs=hadoop_conf.fs_uri(chosen) if "namenode" in chosen else None,
            conf=self.paths.client_conf,
            var=self.paths.var,
        )

    def _look(self, daemon: Daemon, chosen: Mapping[str, int]) -> DaemonStatus:
        found = process.find(daemon, self.paths)
        return DaemonStatus(
            name=daemon.name,
            title=daemon.title,
            pid=found.pid if found else None,
            ports={name: chosen[name] for name in daemon.ports if name in chosen},
            log=log_file(daemon, self.paths),
            lacking=daemon.probe(chosen) if found else None,
        )

    def _class_path(self) -> str:
        """Return the daemons' class path: their settings, the daemons, then PySpark's jars."""
        return os.pathsep.join(
            (str(self.paths.server_conf), f"{jars_dir('sandbox')}/*", f"{pyspark_jars()}/*")
        )

    def _require_room(self) -> None:
        free = shutil.disk_usage(self.paths.var).free
        if free < _ROOM:
            raise SandboxError(
                f"The disk of {self.paths.var} has {free // 2**20} MB left and the sandbox needs "
                f"{_ROOM // 2**20} MB: free some, or set FLO_VAR to another disk."
            )

    def _refuse_moving(self, fixed: Mapping[str, int], running: set[str]) -> None:
        kept = ports.load(self.paths.ports)
        for daemon in _wanted(True):
            for name in daemon.ports:
                if daemon.name in running and fixed.get(name, kept.get(name)) != kept.get(name):
                    raise SandboxError(
                        f"The {daemon.title} runs on port {kept.get(name)}, not {fixed[name]}: "
                        "run `flo sandbox down` first."
                    )

    def _refuse_taken(self, absent: Iterable[Daemon], chosen: Mapping[str, int]) -> None:
        for daemon in absent:
            for name in daemon.ports:
                if not ports.is_free(chosen[name]):
                    raise SandboxError(
                        f"Port {chosen[name]} of the {daemon.title} is in use by another program: "
                        f"stop that program, or set {ports.variable(name)} to a free port."
                    )


def _wanted(with_yarn: bool) -> tuple[Daemon, ...]:
    return (*HDFS, *(yarn.DAEMONS if with_yarn else ()))


def _by_name(name: str) -> Daemon:
    return next(daemon for daemon in _wanted(True) if daemon.name == name)
