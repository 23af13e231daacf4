"""The page: one HTML file that needs nothing else, no network and no script."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from batch.reporting.figures import Figures
from batch.reporting.numbers import count, decimals, money, share, short, written
from batch.reporting.parts import Section, Tile
from batch.reporting.sections_customers import show_omnichannel, show_segments
from batch.reporting.sections_drops import show_drops, show_quality, show_refused
from batch.reporting.sections_kpis import show_channels, show_courses, show_pairs, show_platforms

_HERE = Path(__file__).parent

_SECTIONS = (
    show_channels,
    show_platforms,
    show_pairs,
    show_courses,
    show_drops,
    show_omnichannel,
    show_segments,
    show_refused,
    show_quality,
)


def render_page(figures: Figures) -> str:
    """Set the figures into a page; whatever text is in them shows as text."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        # All of it, whatever a file is called.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(code=_mark_code, day=written, count=count)
    sections: list[Section] = [show(figures) for show in _SECTIONS]
    return environment.get_template("page.html.j2").render(
        style=Markup((_HERE / "page.css").read_text("utf-8")),  # noqa: S704 - our own
        drawn=Markup,
        made_at=figures.made_at,
        drops=figures.drops.count("ingested"),
        last=next((each for each in figures.drops.newest if each.state == "ingested"), None),
        notes=_find_notes(figures),
        tiles=_count_headlines(figures),
        sections=sections,
    )


def _mark_code(text: str) -> Markup:
    """Set what is between backticks as code."""
    pieces = text.split("`")
    marked = (
        Markup("<code>{}</code>").format(piece) if at % 2 else Markup("{}").format(piece)
        for at, piece in enumerate(pieces)
    )
    return Markup("").join(marked)


def _find_notes(figures: Figures) -> list[str]:
    """Say what the reader must know before believing a number."""
    if figures.channels and figures.drops_since_kpis:
        behind = figures.drops_since_kpis
        drops = "drop is" if behind == 1 else f"{count(behind)} drops are"
        return [f"The newest {drops} not in the KPIs yet; `flo kpis` adds what is lacking."]
    return []


def _count_headlines(figures: Figures) -> list[Tile]:
    revenue = sum((side.revenue for side in figures.sides), Decimal())
    orders = sum(side.orders for side in figures.sides)
    both = [side for side in figures.sides if side.is_omnichannel]
    customers = figures.customers
    of_both = sum((side.revenue for side in both), Decimal())
    people = sum(side.customers for side in both)
    per_customer = orders / customers if customers else None
    read, refused = figures.drops.rows_read, figures.drops.rows_refused
    return [
        Tile("Customers", count(customers), "", f"from {count(figures.accepted)} accepted rows"),
        Tile("Revenue", short(revenue), "TL", f"{money(revenue)} TL"),
        Tile("Average per customer", money(revenue / customers if customers else None), "TL",
             f"{money(revenue / orders if orders else None)} TL an order"),
        Tile("Orders", count(orders), "", f"{decimals(per_customer)} per customer"),
        Tile("Omnichannel", share(people, customers), "",
             f"of customers, {share(of_both, revenue)} of revenue"),
        Tile("Refused rows", share(refused, read), "", f"{count(refused)} of {count(read)}"),
    ]  # fmt: skip
