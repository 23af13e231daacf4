"""Files that could not be read or moved: each is tried again by itself, with growing pauses.

The others go through meanwhile. The pauses are kept in memory; what is the matter is told to others
by :mod:`checkpoints.troubles`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from checkpoints.troubles import Trouble
from lake.errors import FloError
from lake.fs import FileInfo, FileKey

log = structlog.get_logger()

LONGEST_PAUSE = 300.0
"""Seconds."""

_FIRST_PAUSE = 1.0


@dataclass(frozen=True)
class _Wait:
    trouble: Trouble
    access: tuple[str, int]
    pause: float
    until: float


class Waits:
    """What is the matter with single files, and when each is tried again."""

    def __init__(
        self,
        write: Callable[[Sequence[Trouble]], None],
        saved: Sequence[Trouble],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Have the list of troubles, which an earlier stream has left, kept as it changes."""
        self._write = write
        self._saved = list(saved)
        self._clock = clock
        self._waits: dict[FileKey, _Wait] = {}

    def is_due(self, info: FileInfo) -> bool:
        """Tell whether a file may be tried: at once where somebody has changed who may read it."""
        wait = self._waits.get(info.key)
        return wait is None or self._clock() >= wait.until or wait.access != (info.owner, info.mode)

    def note(self, info: FileInfo, error: FloError, account_id: str | None = None) -> None:
        """Note that a file could not be read, or moved where it has an account."""
        before = self._waits.get(info.key)
        pause = min(2 * before.pause, LONGEST_PAUSE) if before else _FIRST_PAUSE
        self._waits[info.key] = _Wait(
            Trouble(info.path, str(error), account_id),
            (info.owner, info.mode),
            pause,
            self._clock() + pause,
        )
        log.warning("left for later", file=info.name, seconds=pause, why=str(error))

    def settle(self, info: FileInfo) -> None:
        """Note that a file could be read, or moved."""
        self._waits.pop(info.key, None)

    def keep(self, landed: Iterable[FileInfo]) -> None:
        """Forget the files that are not in landing any more."""
        there = {info.key for info in landed}
        self._waits = {key: wait for key, wait in self._waits.items() if key in there}

    def save(self) -> None:
        """Tell others what is the matter, where that has changed."""
        troubles = sorted((each.trouble for each in self._waits.values()), key=lambda t: t.path)
        if troubles != self._saved:
            self._write(troubles)
            self._saved = troubles
