"""How large and how often, for one run of the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

FULL = 8_000_000
MILLION = 1_000_000
SMALL = 20_000


@dataclass(frozen=True)
class Plan:
    """One run's sizes.

    Attributes:
        size: customers in the large table.
        repetitions: timed repetitions of each contender.
        warm_up: repetitions before them, whose times are not kept: a JVM gets faster for some ten.
        seconds: when, after its start, the run should be at an end; None for no limit.
    """

    size: int = FULL
    repetitions: int = 5
    warm_up: int = 5
    seconds: float | None = None

    def limit(self, value: float, size: int) -> float | None:
        """A limit that is meant for one size only."""
        return value if self.size == size else None
