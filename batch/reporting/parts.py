"""What a page is made of: sections with charts, small panels and tables, as finished texts."""

from __future__ import annotations

from dataclasses import dataclass

from batch.reporting.numbers import Number, percentage, share


@dataclass(frozen=True)
class Bar:
    """A cell with a bar behind its text; ``percent`` is 0 to 100."""

    text: str
    percent: float


Cell = str | Bar


def part_of(part: Number, whole: Number) -> Bar:
    """Write a part of a whole as a percentage with a bar."""
    return Bar(share(part, whole), percentage(part, whole) or 0.0)


@dataclass(frozen=True)
class Table:
    """A table; its first ``texts`` columns are texts, the others numbers.

    Attributes:
        caption: what is in it.
        head: the columns' titles.
        is_folded: shown only when the reader opens it.
        note: what to know about it, below.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int = 1
    is_folded: bool = False
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart with its title, and how to read it."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """One of many small charts: whose it is, the newest value, how much it grew."""

    name: str
    value: str
    change: str
    svg: str


@dataclass(frozen=True)
class Section:
    """A part of the page under one heading.

    Attributes:
        anchor: its address within the page.
        title: its heading; ``short`` is what the table of contents says.
        says: sentences below the heading.
        panels: rows of small charts, each with a heading.
    """

    anchor: str
    title: str
    short: str
    says: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    panels: tuple[tuple[str, tuple[Panel, ...]], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Tile:
    """A headline figure."""

    label: str
    value: str
    unit: str
    note: str
