"""The sections about customers: who buys both ways, and the segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from batch.reporting.charts import draw_bars, draw_parts
from batch.reporting.drawing import COLOURS
from batch.reporting.figures import Figures, Name, Segment, Side
from batch.reporting.numbers import (
    count,
    decimals,
    label,
    money,
    percentage,
    share,
    written,
)
from batch.reporting.parts import Cell, Section, Table, part_of

_CHARTED = 12
# Those it is about, and the rest.
_TWO = (COLOURS[0], COLOURS[-1])


def show_omnichannel(figures: Figures) -> Section:
    """Show who buys both online and offline, and what they are worth."""
    title = "Omnichannel customers"
    both = _add([side for side in figures.sides if side.is_omnichannel])
    rest = _add([side for side in figures.sides if not side.is_omnichannel])
    if not both[0] + rest[0]:
        return Section("omnichannel", title, "Omnichannel", says=("There are no customers yet.",))
    whole = [
        (name, {"omnichannel": float(both[at]), "one way": float(rest[at])})
        for at, name in enumerate(("Customers", "Orders", "Revenue"))
    ]
    return Section(
        "omnichannel",
        title,
        "Omnichannel",
        says=("Omnichannel customers have orders both online and offline.",),
        charts=(
            draw_parts("Omnichannel customers among all", whole, whole=True, colours=_TWO),
            draw_bars(
                "Omnichannel customers, share of each channel",
                [
                    (name, percentage(part, of) or 0.0, share(part, of))
                    for name, part, of in _by_channel(figures.sides)[:_CHARTED]
                ],
            ),
        ),
        tables=(
            Table(
                "Omnichannel customers and the others",
                (
                    *("Who", "Customers", "Share", "Orders", "Orders per customer"),
                    *("Revenue, TL", "Share", "Average per customer, TL", "Average order, TL"),
                ),
                (_compare("Omnichannel", both, rest), _compare("One way only", rest, both)),
            ),
        ),
    )


Sums = tuple[int, int, Decimal]


def _add(sides: Sequence[Side]) -> Sums:
    return (
        sum(side.customers for side in sides),
        sum(side.orders for side in sides),
        sum((side.revenue for side in sides), Decimal()),
    )


def _compare(name: str, own: Sums, other: Sums) -> tuple[Cell, ...]:
    customers, orders, revenue = own
    everybody, everything = customers + other[0], revenue + other[2]
    return (
        name,
        count(customers),
        part_of(customers, everybody),
        count(orders),
        decimals(orders / customers if customers else None),
        money(revenue),
        part_of(revenue, everything),
        money(revenue / customers if customers else None),
        money(revenue / orders if orders else None),
    )


def _by_channel(sides: Sequence[Side]) -> list[tuple[Name, int, int]]:
    """Count omnichannel and all customers of each channel, the largest channel first."""
    counts: dict[Name, list[int]] = defaultdict(lambda: [0, 0])
    for side in sides:
        counts[side.channel][0] += side.customers if side.is_omnichannel else 0
        counts[side.channel][1] += side.customers
    rows = [(name, part, of) for name, (part, of) in counts.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0] or ""))


def show_segments(figures: Figures) -> Section:
    """Show the segments by recency and frequency."""
    title = "Segments"
    if figures.segments is None or not figures.segments.rows:
        return Section(
            "segments", title, title,
            says=("There are no segments yet: `flo segments` computes them.",),
        )  # fmt: skip
    rows, day = figures.segments.rows, figures.segments.day
    since = f" before {written(day)}" if day else ""
    return Section(
        "segments",
        title,
        title,
        says=(
            f"By recency (days{since}) and frequency (orders), as `flo segments` last "
            "computed them.",
        ),
        charts=(
            draw_bars(
                "Customers by segment",
                [(row.name, row.customers, count(row.customers)) for row in rows],
            ),
            draw_bars(
                "Average revenue per customer by segment, TL",
                [(row.name, row.avg_monetary, decimals(row.avg_monetary, 0)) for row in rows],
            ),
        ),
        tables=(_tabulate_segments(rows),),
    )


def _tabulate_segments(rows: Sequence[Segment]) -> Table:
    everybody = sum(row.customers for row in rows)
    everything = sum((row.monetary for row in rows), Decimal())
    head = (
        *("Segment", "Customers", "Share", "Recency, days", "Frequency, orders"),
        *("Average revenue, TL", "Revenue, TL", "Share of revenue"),
    )
    cells: list[tuple[Cell, ...]] = [
        (
            label(row.name),
            count(row.customers),
            part_of(row.customers, everybody),
            decimals(row.avg_recency, 1),
            decimals(row.avg_frequency),
            money(row.avg_monetary),
            money(row.monetary),
            part_of(row.monetary, everything),
        )
        for row in rows
    ]
    return Table("Segments", head, tuple(cells))
