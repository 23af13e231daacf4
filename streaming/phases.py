"""How long the parts of a batch take: named at the steps themselves, gathered by whoever asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Phase(StrEnum):
    """The parts of a batch that are timed, in their order; what is between them is next to nothing.

    The first two and the last one are of Spark's query, which calls for a round: it looks which
    files are new, and notes before and after the round which ones it has seen. What comes after
    ``archive`` is no part of taking drops in.
    ``snapshots`` and ``quarantine`` go on beside ``plan``, so all add up to more than the batch.
    """

    LISTING = "listing"
    OFFSETS = "offsets"
    INTAKE = "intake"
    DECODE = "decode"
    JUDGE = "judge"
    SNAPSHOTS = "snapshots"
    QUARANTINE = "quarantine"
    PLAN = "plan"
    MERGE = "merge"
    LEDGER = "ledger"
    ARCHIVE = "archive"
    KPIS = "kpis"
    UPKEEP = "upkeep"
    COMMIT = "commit"


# By thread: what goes on beside a batch takes part in none.
_seconds: ContextVar[dict[Phase, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def phase(name: Phase) -> Iterator[None]:
    """Time a part of the batch that this thread has in hand; what comes twice adds up."""
    seconds, began = _seconds.get(), time.monotonic()
    try:
        yield
    finally:
        if seconds is not None:
            seconds[name] = seconds.get(name, 0.0) + time.monotonic() - began


@contextmanager
def timed_phases() -> Iterator[dict[Phase, float]]:
    """Gather the seconds of each phase that this thread goes through in the block."""
    seconds: dict[Phase, float] = {}
    token = _seconds.set(seconds)
    try:
        yield seconds
    finally:
        _seconds.reset(token)
