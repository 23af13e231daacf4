"""The sections about the KPIs: channels, platforms, where they meet, and how they moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from batch.reporting.charts import Parted, draw_bars, draw_course, draw_parts, draw_spread
from batch.reporting.figures import Course, Figures, Kpis, Name
from batch.reporting.numbers import change, count, decimals, label, labels, money, short
from batch.reporting.parts import Cell, Panel, Section, Table, part_of

# Channels and platforms are open sets: a chart shows the first of them, a table some more.
CHARTED, LISTED, COLOURED = 12, 40, 6

_KPI_HEAD = (
    *("Customers", "Orders", "Orders per customer", "Revenue, TL", "Share of revenue"),
    *("Average per customer, TL", "Least", "Lower quartile", "Median", "Upper quartile"),
    "Greatest",
)


def show_channels(figures: Figures) -> Section:
    """Show the KPIs by channel."""
    return _show_kpis(figures.channels, "channels", "Channels", "channel")


def show_platforms(figures: Figures) -> Section:
    """Show the KPIs by platform."""
    return _show_kpis(figures.platforms, "platforms", "Platforms", "platform")


def _show_kpis(kpis: Sequence[Kpis], anchor: str, title: str, what: str) -> Section:
    if not kpis:
        return Section(anchor, title, title, says=(_NO_KPIS,))
    first = kpis[:CHARTED]
    return Section(
        anchor,
        title,
        title,
        says=_say_rest(len(kpis), f"{what}s"),
        charts=(
            draw_bars(
                f"Revenue by {what}, TL",
                [(row.name, row.revenue, short(row.revenue)) for row in first],
            ),
            draw_spread(f"Revenue per customer by {what}, TL", first),
        ),
        tables=(_tabulate(f"KPIs by {what}", (what.capitalize(),), kpis),),
    )


_NO_KPIS = "There are no KPIs yet: `flo kpis` computes them."


def _say_rest(groups: int, what: str) -> tuple[str, ...]:
    if groups <= CHARTED:
        return ()
    listed = f", the tables the first {LISTED}" if groups > LISTED else ""
    return (f"Of {count(groups)} {what} the charts show the {CHARTED} with most revenue{listed}.",)


def _tabulate(
    caption: str, keys: tuple[str, ...], kpis: Sequence[Kpis], *, is_folded: bool = False
) -> Table:
    whole = sum((row.revenue for row in kpis), Decimal())
    rows: list[tuple[Cell, ...]] = [
        (
            *map(label, row.names),
            count(row.customers),
            count(row.orders),
            decimals(row.avg_orders),
            money(row.revenue),
            part_of(row.revenue, whole),
            money(row.avg_revenue),
            *map(money, row.quartiles),
        )
        for row in kpis[:LISTED]
    ]
    return Table(caption, (*keys, *_KPI_HEAD), tuple(rows), len(keys), is_folded)


def show_pairs(figures: Figures) -> Section:
    """Show the KPIs where channel and platform meet."""
    title, contents = "Channels and platforms", "Channels × platforms"
    pairs = figures.pairs
    if not pairs:
        return Section("pairs", title, contents, says=(_NO_KPIS,))
    revenue = _part(figures, {row.names: float(row.revenue) for row in pairs})
    customers = _part(figures, {row.names: float(row.customers) for row in pairs})
    keys = ("Channel", "Platform")
    return Section(
        "pairs",
        title,
        contents,
        charts=(
            draw_parts("Revenue of each channel by platform, TL", revenue),
            draw_parts("Customers by platform, share of each channel", customers, whole=True),
        ),
        tables=(_tabulate("KPIs by channel and platform", keys, pairs, is_folded=True),),
    )


def _part(figures: Figures, sizes: Mapping[tuple[Name, ...], float]) -> list[Parted]:
    """Part a measure of each channel by platform."""
    channels = [row.name for row in figures.channels[:CHARTED]]
    platforms = _name_parts([row.name for row in figures.platforms])
    parts = {name: dict.fromkeys(platforms.values(), 0.0) for name in channels}
    for (channel, platform), size in sizes.items():
        if channel in parts and platform in platforms:
            parts[channel][platforms[platform]] += size
    return list(zip(labels(channels), parts.values(), strict=True))


_OTHERS = "others"


def _name_parts(names: Sequence[Name]) -> dict[Name, str]:
    """Name the parts of bars; there are only so many colours, so small ones are put together."""
    if len(names) <= COLOURED:
        return dict(zip(names, labels(names), strict=True))
    first = names[: COLOURED - 1]
    kept = dict(zip(first, labels(first), strict=True))
    return kept | dict.fromkeys(names[COLOURED - 1 :], _OTHERS)


def show_courses(figures: Figures) -> Section:
    """Show how the KPIs moved over the drops."""
    courses = (*figures.channel_courses, *figures.platform_courses)
    moments = sorted({each.drops for course in courses for each in course.moments})
    title = "How the KPIs moved over the drops"
    if len(moments) < 2:
        return Section(
            "history", title, "History",
            says=("The history begins with the second drop after which KPIs are computed.",),
        )  # fmt: skip
    by = (("channel", figures.channel_courses), ("platform", figures.platform_courses))
    return Section(
        "history",
        title,
        "History",
        says=(
            f"Revenue at {count(len(moments))} moments, from drop {count(moments[0])} to drop "
            f"{count(moments[-1])}. Each line has a scale of its own, from its least to its "
            "greatest value; the number is the newest, with the growth since the first.",
        ),
        panels=tuple(
            (f"Revenue by {what}, TL", tuple(_panel(what, each) for each in own[:CHARTED]))
            for what, own in by
        ),
        tables=tuple(_tabulate_courses(what, own) for what, own in by),
    )


def _panel(what: str, course: Course) -> Panel:
    first, last = course.moments[0], course.moments[-1]
    return Panel(
        labels([course.name])[0],
        short(last.revenue),
        change(first.revenue, last.revenue),
        draw_course(f"Revenue by {what}", course),
    )


def _tabulate_courses(what: str, courses: Sequence[Course]) -> Table:
    rows = []
    for course in courses[:LISTED]:
        first, last = course.moments[0], course.moments[-1]
        rows.append(
            (
                label(course.name),
                count(first.customers),
                count(last.customers),
                change(first.customers, last.customers),
                money(first.revenue),
                money(last.revenue),
                change(first.revenue, last.revenue),
            )
        )
    head = (
        *(what.capitalize(), "Customers, first", "Customers, newest", "Growth"),
        *("Revenue, first, TL", "Revenue, newest, TL", "Growth"),
    )
    return Table(f"First and newest KPIs by {what}", head, tuple(rows), is_folded=True)
