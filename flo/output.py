"""What the commands print: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from io import TextIOWrapper
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TextIO

from flo.cells import as_json, as_text
from lake.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Row = Sequence[Any]

# Control characters in a supplier's text must not steer the reader's terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROL |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def say(message: str) -> None:
    """Print a message for people, on standard error."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
    console.print(Text(message))


def print_frame(frame: DataFrame, output: Format = Format.TABLE) -> int:
    """Print a Spark result, row by row as it arrives, and return the number of rows.

    Naive timestamps that PySpark hands out in the machine's zone are printed in the session's.
    """
    from flo.spark_rows import read_rows

    return print_rows(frame.columns, read_rows(frame), output)


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Row],
    output: Format = Format.TABLE,
    *,
    title: str = "",
    stream: TextIO | None = None,
) -> int:
    """Print rows as a table, as CSV or as JSON, and return how many there were.

    Args:
        columns: their names, in order.
        rows: one sequence of values per row, in the same order.
        output: the format; ``csv`` and ``json`` are UTF-8 whatever the terminal speaks.
        title: said above a table; the other formats have no place for it.
        stream: where to, standard output if not given.

    Raises:
        ConfigError: JSON is asked for and two columns have one name.
    """
    target = stream or _standard_output(output)
    # The first row is computed before the header is printed: a query that fails prints nothing.
    counted = _Counted(rows)
    lines = _LINES[output](columns, counted, title, target)
    try:
        for text in lines:
            target.write(text)
        target.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; what is still buffered has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return counted.count


class _Counted:
    """Rows that are counted as they pass; the first is fetched before any is asked for."""

    def __init__(self, rows: Iterable[Row]) -> None:
        iterator = iter(rows)
        self._rows = chain(list(islice(iterator, 1)), iterator)
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _standard_output(output: Format) -> TextIO:
    stream = sys.stdout
    if not isinstance(stream, TextIOWrapper):
        return stream
    if output is Format.TABLE:
        stream.reconfigure(errors="backslashreplace")
    else:
        # Line ends are ours, so that CSV has the same ones everywhere.
        stream.reconfigure(encoding="utf-8", newline="")
    return stream


def _csv_lines(
    columns: Sequence[str], rows: Iterable[Row], _title: str, _stream: TextIO
) -> Iterator[str]:
    yield ",".join(map(_csv_cell, columns)) + "\r\n"
    alone = len(columns) == 1
    for row in rows:
        line = ",".join(map(_csv_cell, row))
        # An empty line would be skipped by most readers, and with it the row.
        yield (line if line or not alone else '""') + "\r\n"


def _csv_cell(value: Any) -> str:
    """Write one field: NULL is nothing at all, an empty text is a pair of quotes."""
    if value is None:
        return ""
    text = as_text(value)
    if not text or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json_lines(
    columns: Sequence[str], rows: Iterable[Row], _title: str, _stream: TextIO
) -> Iterator[str]:
    twice = next((name for name in columns if list(columns).count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"Two columns of the result are named '{twice}', which JSON cannot show; "
            "name each with AS, or use --format csv."
        )
    before = "["
    for row in rows:
        record = {name: as_json(value) for name, value in zip(columns, row, strict=True)}
        yield f"{before}\n{json.dumps(record, ensure_ascii=False, allow_nan=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _table_lines(
    columns: Sequence[str], rows: Iterable[Row], title: str, stream: TextIO
) -> Iterator[str]:
    # Rich takes a tenth of a second to load, which what prints no table need not wait for.
    from flo.text_table import table_lines

    return table_lines(columns, rows, title, stream)


def plain(text: str) -> str:
    """Write control characters out, so that they do not steer the reader's terminal."""
    return text.translate(_CONTROL)


_LINES = {Format.TABLE: _table_lines, Format.CSV: _csv_lines, Format.JSON: _json_lines}
