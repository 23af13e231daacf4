"""The drops that are on their way: in landing, and in the batch that is in hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from checkpoints.in_hand import accounts_in_hand
from lake.reading import Lake
from lake.settings import Settings
from streaming.source import drops_in_landing


@dataclass(frozen=True)
class OnItsWay:
    """A file in landing; ``in_hand``: it is in the batch that is being taken in."""

    name: str
    bytes: int
    modified_at: datetime
    in_hand: bool


def drops_on_their_way(lake: Lake, settings: Settings) -> list[OnItsWay]:
    """List the drops in landing, those in hand first, then by age."""
    in_hand = accounts_in_hand(lake.files, settings)
    found = [
        OnItsWay(info.name, info.size, info.modified_at, info.name in in_hand)
        for info in drops_in_landing(lake.files, settings)
    ]
    return sorted(found, key=lambda each: (not each.in_hand, each.modified_at, each.name))
