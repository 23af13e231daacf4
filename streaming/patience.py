"""How long trouble is borne, and how long to pause between two tries."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_PAUSE = 30.0
"""Seconds."""


class Patience:
    """Trouble begins with a failure, and is over once the work has got on, not by time alone.

    A failure that takes long to come (a client that waits for a DataNode, say) is as lasting as
    one that comes at once.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Bear trouble for so long from its first failure."""
        self.seconds = seconds
        self._clock = clock
        self._since: float | None = None
        self._pause = 0.5

    def got_on(self) -> None:
        """Note that the work has got on: what comes next is new trouble."""
        self._since, self._pause = None, 0.5

    def pause(self) -> float | None:
        """Say how long to pause after a failure, twice as long each time; None: give up."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = self._since + self.seconds - now
        if left <= 0:
            return None
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return min(self._pause, left)
