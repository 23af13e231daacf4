"""When a soak kills what, and which of its batches are compared; counted in finished batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

#: Below so many drops a run is a trial: its windows are shorter, and its figures prove nothing.
FULL = 1000
#: A trial's kills cannot come closer than in every batch, so that its windows are shorter still.
_TRIAL = 0.8


class Trouble(StrEnum):
    """What is killed."""

    DRIVER = "driver"
    NAMENODE = "namenode"
    DATANODE = "datanode"


_MIDDLE = (
    Trouble.DRIVER,
    Trouble.NAMENODE,
    Trouble.DRIVER,
    Trouble.DATANODE,
    Trouble.DRIVER,
    Trouble.DRIVER,
    Trouble.DRIVER,
)
_LATE = (Trouble.DATANODE, Trouble.NAMENODE)


@dataclass(frozen=True)
class Plan:
    """The windows and kills of a soak.

    Attributes:
        warm_up: batches of a process that no window counts.
        window: batches of a window.
        step: batches from one kill to the next.
    """

    warm_up: int
    window: int
    step: int

    @classmethod
    def of(cls, drops: int) -> Plan:
        """Plan 30 batches of warm-up, windows of 100, a kill every 8; a trial's are shorter."""
        share = 1.0 if drops >= FULL else _TRIAL * drops / FULL
        return cls(*(max(1, round(share * full)) for full in (30, 100, 8)))

    @property
    def first(self) -> range:
        """The first window: of the first process, when it is warm."""
        return range(self.warm_up, self.warm_up + self.window)

    @property
    def settled(self) -> int:
        """How many batches are finished when the last process starts."""
        return self.first.stop + self.step * len(_MIDDLE)

    @property
    def first_of_last(self) -> range:
        """The first window of the last process, when it is warm."""
        start = self.settled + self.warm_up
        return range(start, start + self.window)

    @property
    def least(self) -> int:
        """How many batches there must be for the last window to begin warm after the last kill."""
        return max(self.troubles) + self.warm_up + self.window

    def last(self, batches: int) -> range:
        """Give the last window of so many batches."""
        return range(max(0, batches - self.window), batches)

    @property
    def troubles(self) -> Mapping[int, Trouble]:
        """What is killed once so many batches are finished."""
        middle = {self.first.stop + self.step * at: what for at, what in enumerate(_MIDDLE, 1)}
        late = {self.first_of_last.stop + self.step * at: what for at, what in enumerate(_LATE, 1)}
        return middle | late
