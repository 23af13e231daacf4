"""Small drops from a seed: new, later, late, repeated, bad and duplicate rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tests.lakes import csv, row

CUSTOMERS = 40
_START = date(2021, 1, 1)
# After all days below, so that no date is in the future of its drop.
_FIRST_DROP_MS = 1_700_000_000_000
_CHANNELS = ("Offline", "Android App", "Ios App", "Mobile", "Desktop")


@dataclass(frozen=True)
class MadeDrop:
    """One file: its name, its bytes and the time at which it was made."""

    name: str
    content: str
    modified_ms: int


def make_drops(seed: int, count: int, rows: int = 12) -> list[MadeDrop]:
    """Make drops; the same seed gives the same bytes.

    Each drop is a minute younger than the one before. Every seventh repeats the bytes of an
    earlier one, and about one row in twelve is bad.
    """
    random = Random(seed)
    made: list[MadeDrop] = []
    for number in range(count):
        repeated = made and number % 7 == 6
        content = (
            random.choice(made).content if repeated else csv(*(_row(random) for _ in range(rows)))
        )
        modified = _FIRST_DROP_MS + number * 60_000
        made.append(MadeDrop(f"drop_{number:03d}.csv", content, modified))
    return made


def _row(random: Random) -> str:
    customer = f"customer-{random.randrange(CUSTOMERS):03d}"
    last = (_START + timedelta(days=random.randrange(60))).isoformat()
    bad = random.random() < 1 / 12
    return row(
        "" if bad and random.random() < 0.5 else customer,
        channel=random.choice(_CHANNELS),
        last=last,
        orders_online=str(random.randrange(4)),
        orders_offline="-1" if bad else str(random.randrange(1, 4)),
        value_offline=f"{random.randrange(100_000) / 100:.2f}",
        value_online=f"{random.randrange(100_000) / 100:.2f}",
        categories=random.choice(("", "[]", "[ERKEK]")),
    )
