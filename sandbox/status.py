"""What can be said of a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DaemonStatus:
    """One daemon: `lacking` says what a running one still waits for, None when it is ready."""

    name: str
    title: str
    pid: int | None
    ports: Mapping[str, int]
    log: Path
    lacking: str | None = None

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """Whether it does its work."""
        return self.running and self.lacking is None


@dataclass(frozen=True)
class Status:
    """A sandbox: its daemons, the address of its HDFS, and the clients' configuration."""

    daemons: tuple[DaemonStatus, ...]
    fs: str | None
    conf: Path
    var: Path

    @property
    def ready(self) -> bool:
        """Whether every daemon does its work."""
        return bool(self.daemons) and all(daemon.ready for daemon in self.daemons)

    @property
    def running(self) -> bool:
        """Whether any daemon is alive."""
        return any(daemon.running for daemon in self.daemons)
