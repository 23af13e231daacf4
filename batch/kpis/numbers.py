"""From counts of customers by revenue to the rows of the KPI tables, in whole numbers.

What is here needs no Spark. It is another way to the numbers of `batch.kpis.formulas`, which starts
from the customers: one that looks at single amounts only where a quartile is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple, Protocol

from lake.errors import FloError
from lake.tables import CHANNEL_KPIS, CHANNEL_PLATFORM_KPIS, PLATFORM_KPIS

Key = tuple[str | None, ...]
Numbers = tuple[int, int, float, Decimal, float, Decimal, Decimal, Decimal, Decimal, Decimal]
Rows = Mapping[str, Mapping[Key, Numbers]]

# Which of channel and platform name a row of the table.
KEYS_OF: Mapping[str, tuple[int, ...]] = {
    CHANNEL_KPIS: (0,),
    PLATFORM_KPIS: (1,),
    CHANNEL_PLATFORM_KPIS: (0, 1),
}
# Minimum, quartiles and maximum.
_QUARTERS = (0, 1, 2, 3, 4)


class ValuesError(FloError):
    """The counts of customers by revenue cannot be those of any features."""


class Band(NamedTuple):
    """Customers of a group whose revenue has the same leading digits; the same may come in parts.

    ``band`` is their revenue rounded down, in cents; ``beyond`` is what all of them together have
    above that.
    """

    channel: str | None
    platform: str | None
    band: int
    customers: int
    orders: int
    beyond: int


class Value(NamedTuple):
    """A group's customers with the same revenue, in cents."""

    channel: str | None
    platform: str | None
    band: int
    cents: int
    customers: int


class Counts(Protocol):
    """Tells how many customers each group has at which revenue."""

    def bands(self) -> Iterable[Band]:
        """Count all customers by group and band."""

    def within(self, bands: Sequence[int]) -> Iterable[Value]:
        """Count the customers in some bands by group and revenue."""


@dataclass
class _Group:
    """One row of a KPI table in the making.

    Attributes:
        bands: how many customers each band has.
        values: for the bands that were asked for, how many customers have which revenue.
    """

    orders: int = 0
    cents: int = 0
    bands: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    values: dict[int, dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )

    @property
    def customers(self) -> int:
        """How many customers the group has."""
        return sum(self.bands.values())


def compute_rows(counts: Counts) -> Rows:
    """Compute the rows of each KPI table, as `batch.kpis.formulas.kpis_by` defines them.

    Returns:
        Of each table, by its key, the numbers in the order of the table.

    Raises:
        ValuesError: the counts do not add up.
    """
    groups = _gather(counts.bands())
    places = {name: _places(group) for name, group in groups.items()}
    wanted = sorted({band for each in places.values() for band, _ in each.values()})
    for value in counts.within(wanted) if wanted else ():
        for name in _keys(value.channel, value.platform):
            groups[name].values[value.band][value.cents] += value.customers
    rows: dict[str, dict[Key, Numbers]] = {table: {} for table in KEYS_OF}
    for (table, key), group in groups.items():
        rows[table][key] = _numbers(group, places[table, key])
    return rows


def _gather(bands: Iterable[Band]) -> dict[tuple[str, Key], _Group]:
    groups: dict[tuple[str, Key], _Group] = defaultdict(_Group)
    for each in bands:
        if each.customers <= 0 or each.orders < 0 or each.beyond < 0:
            raise ValuesError("a group has fewer customers than none")
        cents = each.band * each.customers + each.beyond
        for name in _keys(each.channel, each.platform):
            group = groups[name]
            group.bands[each.band] += each.customers
            group.orders += each.orders
            group.cents += cents
    return groups


def _keys(*group: str | None) -> list[tuple[str, Key]]:
    return [(table, tuple(group[each] for each in own)) for table, own in KEYS_OF.items()]


def _places(group: _Group) -> dict[int, tuple[int, int]]:
    """Find each position that counts: in which band it is, and at which position of that."""
    ordered = sorted(group.bands)
    beyond = list(accumulate(group.bands[band] for band in ordered))
    found = {}
    for position in {each for quarter in _QUARTERS for each in _around(quarter, beyond[-1])[:2]}:
        at = bisect_right(beyond, position)
        found[position] = ordered[at], position - (beyond[at] - group.bands[ordered[at]])
    return found


def _around(quarter: int, size: int) -> tuple[int, int, int]:
    """Give the positions on both sides of a quarter, and how many quarters beyond the first."""
    below, rest = divmod(quarter * (size - 1), 4)
    return below, below + (1 if rest else 0), rest


def _numbers(group: _Group, places: Mapping[int, tuple[int, int]]) -> Numbers:
    size = group.customers
    amounts = {position: _amount_at(group, *place) for position, place in places.items()}
    parts = [_interpolate(amounts, *_around(quarter, size)) for quarter in _QUARTERS]
    lowest, first, second, third, highest = parts
    return (
        size,
        group.orders,
        # As Spark divides: each side is rounded to a double first.
        float(group.orders) / float(size),
        Decimal(f"{group.cents}e-2"),
        float(group.cents) / float(size * 100),
        lowest,
        first,
        second,
        third,
        highest,
    )


def _amount_at(group: _Group, band: int, position: int) -> int:
    values = group.values[band]
    ordered = sorted(values)
    beyond = list(accumulate(values[cents] for cents in ordered))
    if min(values.values(), default=-1) < 0 or beyond[-1] != group.bands[band]:
        raise ValuesError("a group's customers at single amounts are not those of their band")
    return ordered[bisect_right(beyond, position)]


def _interpolate(amounts: Mapping[int, int], below: int, above: int, rest: int) -> Decimal:
    """Give the amount so many quarters of the way, which four decimals hold exactly."""
    quarter_cents = 4 * amounts[below] + rest * (amounts[above] - amounts[below])
    return Decimal(f"{25 * quarter_cents}e-4")
