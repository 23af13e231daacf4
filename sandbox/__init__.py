"""A real HDFS (and YARN) on one machine, for trying and testing, from pinned jars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from sandbox.core import Sandbox
    from sandbox.status import DaemonStatus, Status

__all__ = ["DaemonStatus", "Sandbox", "SandboxError", "Status"]


def __getattr__(name: str) -> Any:
    """Import what needs psutil only when asked for: the set-up runs before psutil is there."""
    if name == "Sandbox":
        from sandbox.core import Sandbox

        return Sandbox
    if name in ("DaemonStatus", "Status"):
        from sandbox import status

        return getattr(status, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
