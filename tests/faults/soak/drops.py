"""The drops of a soak, from a seed: small extracts of a customer base that grows and moves on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from random import Random

from tests.lakes import csv, row

_START = date(2021, 1, 1)
_CHANNELS = ("Offline", "Android App", "Ios App", "Mobile", "Desktop")
_HOUR_MS = 3_600_000
# Far enough back that a repetition never meets the original in one batch.
_REPEATS_FROM = 12


class Kind(StrEnum):
    """What is peculiar about a drop."""

    PLAIN = "plain"
    LATE = "late"
    REPEATED = "repeated"
    MOSTLY_BAD = "mostly bad"
    UNREADABLE = "unreadable"


_SHARES = {
    Kind.PLAIN: 84,
    Kind.LATE: 6,
    Kind.REPEATED: 5,
    Kind.MOSTLY_BAD: 3,
    Kind.UNREADABLE: 2,
}


@dataclass(frozen=True)
class SoakDrop:
    """One file to be put.

    Attributes:
        content: its bytes.
        age_ms: how long before it is put it claims to have been made.
    """

    name: str
    kind: Kind
    content: bytes
    age_ms: int = 0


def make_groups(seed: int, drops: int) -> Iterator[list[SoakDrop]]:
    """Give so many drops in groups of one to three, two on average; a seed gives the same bytes."""
    random = Random(seed)
    supplier = _Supplier(random)
    left = drops
    while left:
        size = min(random.randint(1, 3), left)
        left -= size
        yield [supplier.make() for _ in range(size)]


class _Supplier:
    """Makes one drop after the other, of 10 to 200 rows.

    Of the rows one in four is a new customer's, one in ten is what was said of a customer
    before, and one in forty is bad.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._made: list[SoakDrop] = []
        self._said: list[str] = []

    def make(self) -> SoakDrop:
        """Make the next drop."""
        random, number = self._random, len(self._made)
        [kind] = random.choices(list(_SHARES), weights=list(_SHARES.values()))
        earlier = [each for each in self._made[:-_REPEATS_FROM] if each.kind is Kind.PLAIN]
        if kind is Kind.UNREADABLE:
            content = f"no,header\n{number},2\n".encode()
        elif kind is Kind.REPEATED and earlier:
            content = random.choice(earlier).content
        else:
            bad = 0.9 if kind is Kind.MOSTLY_BAD else 1 / 40
            rows = [self._row(number, bad) for _ in range(random.randint(10, 200))]
            content = csv(*rows).encode()
        age = random.randint(1, 72) * _HOUR_MS if kind is Kind.LATE else 0
        self._made.append(SoakDrop(f"extract_{number:05d}.csv", kind, content, age))
        return self._made[-1]

    def _row(self, number: int, bad: float) -> str:
        """Make one row; a share of them is bad."""
        if self._random.random() < bad:
            return self._say(number, "customer-bad", self._random.choice(("id", "count", "money")))
        if not self._said or self._random.random() < 1 / 4:
            self._said.append("")
            customer = len(self._said) - 1
        else:
            customer = self._random.randrange(len(self._said))
        if not self._said[customer] or self._random.random() > 1 / 10:
            self._said[customer] = self._say(number, f"customer-{customer:06d}")
        return self._said[customer]

    def _say(self, number: int, customer: str, wrong: str = "") -> str:
        """Write a row; its last order is mostly newer than those of earlier drops, not always."""
        random = self._random
        last = _START + timedelta(days=number // 2 + random.randrange(30))
        return row(
            "" if wrong == "id" else customer,
            channel=random.choice(_CHANNELS),
            last=last.isoformat(),
            orders_online=str(random.randrange(4)),
            orders_offline="-1" if wrong == "count" else str(random.randrange(1, 4)),
            value_offline="much" if wrong == "money" else f"{random.randrange(10**5) / 100:.2f}",
            value_online=f"{random.randrange(10**5) / 100:.2f}",
            categories=random.choice(("", "[]", "[ERKEK]")),
        )
