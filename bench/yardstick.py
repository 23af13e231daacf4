"""How quick the machine is: absolute times mean little without it, as machines differ by two."""

from __future__ import annotations

import time


def yardstick() -> float:
    """Measure the seconds of a Python loop of ten million additions."""
    began, total = time.perf_counter(), 0
    for each in range(10_000_000):
        total += each
    return time.perf_counter() - began
