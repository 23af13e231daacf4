"""Rows as a table for people, in blocks: a table knows its widths only once it has its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flo.cells import as_text, is_number
from flo.output import Row, plain

# So many rows are in memory at a time.
BLOCK = 1000
_WIDE = 1_000_000
_NARROW = 10


def table_lines(
    columns: Sequence[str], rows: Iterable[Row], title: str, stream: TextIO
) -> Iterator[str]:
    """Write a title, if there is one, and the rows, a block of lines at a time."""
    if title:
        yield f"{title}\n"
    iterator = iter(rows)
    block = list(islice(iterator, BLOCK))
    while True:
        yield _render(_table(columns, block), stream)
        block = list(islice(iterator, BLOCK))
        if not block:
            return


def _table(columns: Sequence[str], rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(columns):
        numbers = any(is_number(row[position]) for row in rows)
        title_cell = Text(plain(name))
        table.add_column(title_cell, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_table_cell, row))
    return table


def _table_cell(value: Any) -> Text:
    return Text("NULL", style="dim") if value is None else Text(plain(as_text(value)))


def _render(table: Table, stream: TextIO) -> str:
    """Fold values to a terminal's width where each column has room; else print them whole."""
    console = Console(file=stream, emoji=False)
    if not stream.isatty() or console.width < _NARROW * len(table.columns):
        console = Console(file=stream, width=_WIDE, emoji=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
