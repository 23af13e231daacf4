"""Named points at which a test may kill the driver, to prove that nothing is lost there."""

from __future__ import annotations

import os
import signal

_hits: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Say that this driver has come to a point; see `kill_at`."""
    kill_at(name)


def kill_at(name: str) -> None:
    """Kill this driver with SIGKILL if ``FLO_FAILPOINT`` asks for it; else do nothing.

    ``FLO_FAILPOINT=after_merge`` kills at the first passage, ``after_merge:3`` at the third.
    Both halves of the driver die at once: the JVM that ``spark-submit`` started and this one.
    """
    wanted, _, count = os.environ.get("FLO_FAILPOINT", "").partition(":")
    if wanted != name:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == int(count or 1):
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
