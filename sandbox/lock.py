"""One at a time: whoever changes a sandbox holds its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import UNREACHABLE, SandboxError


@contextlib.contextmanager
def locked(path: Path, patience: float, holder: str = "flo sandbox") -> Iterator[None]:
    """Hold the lock file, waiting for another holder; the system frees a dead holder's lock."""
    deadline = time.monotonic() + patience
    while (descriptor := _take(path)) is None:
        if time.monotonic() > deadline:
            raise SandboxError(
                f"Another `{holder}` has held {path} for {patience:.0f} s: "
                "wait for it to end, or end it.",
                UNREACHABLE,
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        os.close(descriptor)


def _take(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # `wipe` removes the file: a lock on a removed file keeps nobody out.
        if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
