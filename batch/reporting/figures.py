"""The figures of a report: plain values, all of them about groups of customers or of rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

Name = str | None
"""A channel or a platform; None stands for the customers of whom it is not known."""


@dataclass(frozen=True)
class Kpis:
    """One row of a KPI table.

    Attributes:
        names: the channel, the platform, or both.
        customers, orders: how many.
        avg_orders: per customer.
        revenue: in TL, over all channels.
        avg_revenue: in TL per customer.
        quartiles: least, lower quartile, median, upper quartile and greatest revenue of a
            customer, in TL.
    """

    names: tuple[Name, ...]
    customers: int
    orders: int
    avg_orders: float
    revenue: Decimal
    avg_revenue: float
    quartiles: tuple[Decimal, Decimal, Decimal, Decimal, Decimal]

    @property
    def name(self) -> Name:
        """The channel, or the platform, of a row that has one of them."""
        return self.names[0]


@dataclass(frozen=True)
class Moment:
    """A group's KPIs once so many drops had been taken in; revenue is in TL."""

    drops: int
    customers: int
    revenue: Decimal


@dataclass(frozen=True)
class Course:
    """How a group's KPIs moved, the oldest moment first."""

    name: Name
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Drop:
    """What became of one file; ``refused`` counts its rows in quarantine."""

    file: str
    finished_at: datetime
    state: str
    read: int
    new: int
    changed: int
    unchanged: int
    stale: int
    superseded: int
    refused: int


@dataclass(frozen=True)
class Drops:
    """The files so far.

    Attributes:
        newest: the last ones, the newest first.
        states: how many files came to each state.
        refusals: of the files refused whole, how many for each reason.
        rows_read, rows_refused: rows of all files.
    """

    newest: tuple[Drop, ...] = ()
    states: dict[str, int] | None = None
    refusals: tuple[tuple[str, int], ...] = ()
    rows_read: int = 0
    rows_refused: int = 0

    def count(self, state: str) -> int:
        """Say how many files came to a state."""
        return (self.states or {}).get(state, 0)


@dataclass(frozen=True)
class Side:
    """Some of the customers of a channel: those who buy both ways, or the others.

    Attributes:
        channel: theirs.
        is_omnichannel: whether they have orders both online and offline.
        revenue: in TL.
    """

    channel: Name
    is_omnichannel: bool
    customers: int
    orders: int
    revenue: Decimal


@dataclass(frozen=True)
class Segment:
    """Some of the customers, by recency (days) and frequency (orders); monetary is in TL."""

    name: Name
    customers: int
    avg_recency: float | None
    avg_frequency: float
    avg_monetary: float
    monetary: Decimal


@dataclass(frozen=True)
class Segments:
    """The segmentation as it was last computed; ``day`` is what recency counts back from."""

    day: date | None
    rows: tuple[Segment, ...]


@dataclass(frozen=True)
class Reason:
    """A rule of the contract and the rows that broke it.

    Attributes:
        name: as quarantine and warnings show it; ``rule: column`` where it is asked of columns.
        says: the same as a sentence.
        columns: the columns that it is about.
    """

    name: str
    says: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """One column of the features, and how many customers have nothing in it."""

    name: str
    kind: str
    missing: int


@dataclass(frozen=True)
class Figures:
    """All that a report shows.

    Attributes:
        made_at: when the tables were looked at, with the business zone.
        customers: rows of the features.
        accepted: rows in the snapshots; warnings are a share of them.
        drops_since_kpis: how many drops the KPI tables do not know yet.
        pairs: KPIs by channel and platform.
        refused, warned: the rules that rows broke, the most frequent first.
        segments: None where they were never computed.
    """

    made_at: datetime
    customers: int
    accepted: int
    channels: tuple[Kpis, ...] = ()
    platforms: tuple[Kpis, ...] = ()
    pairs: tuple[Kpis, ...] = ()
    drops_since_kpis: int = 0
    channel_courses: tuple[Course, ...] = ()
    platform_courses: tuple[Course, ...] = ()
    drops: Drops = Drops()
    sides: tuple[Side, ...] = ()
    segments: Segments | None = None
    refused: tuple[Reason, ...] = ()
    warned: tuple[Reason, ...] = ()
    columns: tuple[Column, ...] = ()
