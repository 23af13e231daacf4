"""Write a table of values as the many programs do that suppliers save their files with."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

Value = str | date | int | Decimal | tuple[str, ...] | None
Table = Mapping[str, Sequence[Value]]

ISTANBUL = ZoneInfo("Europe/Istanbul")
# What Python calls each encoding, and the byte order mark that comes before the text.
ENCODINGS = {
    "UTF-8": ("utf-8", ""),
    "UTF-8 with BOM": ("utf-8", "\ufeff"),
    "UTF-16 LE": ("utf-16-le", "\ufeff"),
    "UTF-16 BE": ("utf-16-be", "\ufeff"),
    "UTF-16 LE without BOM": ("utf-16-le", ""),
    "Windows-1254": ("cp1254", ""),
}
_DAYS = {
    "yyyy-MM-dd": "%Y-%m-%d",
    "dd/MM/yyyy": "%d/%m/%Y",
    "dd.MM.yyyy": "%d.%m.%Y",
    "dd/MM/yy": "%d/%m/%y",
}
_MARKS_SWAPPED = str.maketrans(".,", ",.")


@dataclass(frozen=True)
class Dialect:
    """How a program saves a table; each property may be mixed with all others.

    Attributes:
        days: the date format; the two with a time write the moment at which the day starts in
            Istanbul, by the clock there or in UTC.
        shuffled: seed of the header's order; 0 leaves the columns where they are.
        index: whether an unnamed column with the row's number comes first.
        quoted: whether every cell is quoted, or only those that must be.
        ended: whether the last line has a line end.
        grouped: whether numbers with decimals have thousands marks.
        count: a count of four as this program writes it.
        money: how many decimals money has: always two, or as few as it needs.
    """

    delimiter: str = ","
    days: str = "yyyy-MM-dd"
    line_end: str = "\n"
    encoding: str = "UTF-8"
    shuffled: int = 0
    index: bool = False
    quoted: bool = False
    ended: bool = True
    gzipped: bool = False
    mark: str = "."
    grouped: bool = False
    count: str = "4.0"
    money: str = "two"


PROPERTIES: dict[str, tuple[object, ...]] = {
    "delimiter": (",", ";", "|", "\t"),
    "days": (*_DAYS, "ISO with offset", "ISO in UTC"),
    "line_end": ("\n", "\r\n"),
    "encoding": tuple(ENCODINGS),
    "shuffled": (0, 1, 2, 3),
    "index": (False, True),
    "quoted": (False, True),
    "ended": (True, False),
    "gzipped": (False, True),
    "mark": (".", ","),
    "grouped": (False, True),
    "count": ("4.0", "4"),
    "money": ("two", "fewest"),
}
"""Every property of a dialect with the values that it can have."""

assert list(PROPERTIES) == [each.name for each in fields(Dialect)]


def draw_dialect(random: Random, **given: object) -> Dialect:
    """Draw the properties that are not given, each by itself."""
    drawn = {name: random.choice(values) for name, values in PROPERTIES.items()}
    return Dialect(**(drawn | given))  # type: ignore[arg-type]


def save(table: Table, dialect: Dialect) -> bytes:
    """Write a table as a drop's stored bytes."""
    return save_cells(write_cells(table, dialect), dialect)


def save_cells(columns: Mapping[str, Sequence[str]], dialect: Dialect) -> bytes:
    """Write cells, which are texts by now, as a drop's stored bytes."""
    names = list(columns)
    if dialect.shuffled:
        Random(dialect.shuffled).shuffle(names)
    header, body = names, [columns[name] for name in names]
    if dialect.index:
        header, body = ["", *names], [[str(at) for at in range(len(body[0]))], *body]
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=dialect.delimiter,
        lineterminator=dialect.line_end,
        quoting=csv.QUOTE_ALL if dialect.quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerow(header)
    writer.writerows(zip(*body, strict=True))
    text = out.getvalue() if dialect.ended else out.getvalue().removesuffix(dialect.line_end)
    codec, mark = ENCODINGS[dialect.encoding]
    data = (mark + text).encode(codec)
    return gzip.compress(data, 1, mtime=0) if dialect.gzipped else data


def write_cells(table: Table, dialect: Dialect) -> dict[str, list[str]]:
    """Write each value as the text of its cell; nothing is empty text."""
    return {name: [_cell(value, dialect) for value in table[name]] for name in table}


def day_start(day: date) -> datetime:
    """Say when a business day starts, in Istanbul's time of that day."""
    return datetime.combine(day, time(), ISTANBUL)


def _cell(value: Value, dialect: Dialect) -> str:
    match value:
        case None:
            return ""
        case tuple():
            return f"[{', '.join(value)}]"
        case date():
            return _day(value, dialect.days)
        case int():
            whole = dialect.count == "4"
            # Nothing would tell 1.234 pieces from 1,234: no program that is asked for whole
            # numbers alone is known to group them.
            return str(value) if whole else _number(Decimal(value), 1, dialect)
        case Decimal():
            text = _number(value, 2, dialect)
            short = text.rstrip("0").rstrip(dialect.mark)
            return text if dialect.money == "two" else short
    return value


def _number(value: Decimal, decimals: int, dialect: Dialect) -> str:
    text = f"{value:,.{decimals}f}" if dialect.grouped else f"{value:.{decimals}f}"
    return text.translate(_MARKS_SWAPPED) if dialect.mark == "," else text


@cache
def _day(day: date, days: str) -> str:
    if days in _DAYS:
        return day.strftime(_DAYS[days])
    start = day_start(day)
    if days == "ISO with offset":
        return start.isoformat(timespec="milliseconds")
    return start.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
