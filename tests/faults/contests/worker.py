"""A contender: a process with a JVM of its own that goes for the lock when it is told to.

It reads orders as JSON, a line each, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import checkpoints.holder
from checkpoints.lock import LEASE_SECONDS, StreamLock
from lake.errors import LockedError
from lake.fs import FileSystem
from lake.session import open_file_system
from lake.settings import Settings


class Contender:
    """One process; it has at most one lock at a time."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._namespace = checkpoints.holder._namespace()
        self._lock: StreamLock

    def do(self, what: str, *, root: str, at: float, apart: bool) -> str:
        """Carry an order out, at a time of the clock that all processes share.

        Args:
            what: ``acquire``; ``confirm`` and ``release`` what was acquired; or ``lose``: show that
                one is alive, and release, as one who does not know that his lease is over.
            root: of the lake.
            apart: as if in a container of its own, so that no process sees another one.
        """
        mine = f"pid:[{os.getpid()}]" if apart else self._namespace
        checkpoints.holder._namespace = lambda: mine
        if what == "acquire":
            self._lock = StreamLock(self._files, Settings(root=root))
        time.sleep(max(0.0, at - time.monotonic() - 0.002))
        while time.monotonic() < at:
            pass
        try:
            if what == "acquire":
                self._lock.acquire("local-contest")
            elif what == "confirm":
                self._lock.confirm()
            elif what == "lose":
                self._lock._refreshed -= LEASE_SECONDS
                self._lock.refresh()
                self._lock.release()
                return "given back"
            else:
                self._lock.release()
                return "given back"
        except LockedError:
            return "refused"
        return "held"


def main() -> None:
    """Answer until there are no more orders."""
    contender = Contender(open_file_system(Settings()))
    print("ready", flush=True)
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        print(contender.do(**order), flush=True)


if __name__ == "__main__":
    main()
