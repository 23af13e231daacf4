"""A clock that only the test moves."""

from __future__ import annotations


class Clock:
    """Tells the time that it was set to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now
