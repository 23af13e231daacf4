"""Quarantined rows as a CSV file that can be mended, in a spreadsheet or not, and dropped again.

The file has the drop's own header and delimiter, so what was absent in the drop stays absent, and
a last column ``_reasons``. No contract names that column, so dropping the file again keeps it, by
name, in ``rescued`` of the snapshots: their history says what was mended.

* A row that could not be split into its fields is one cell with its whole text. Its other cells
  are empty, so it is refused again until somebody splits it; its fields beside the others would
  be taken for a whole row once a spreadsheet has filled them up to the width of the sheet.
* Dates are written year first and numbers with a decimal point, if they can be read in the drop's
  notation: the few rows of this file could be evidence for another notation than all rows were.
  Where that would have changed something, an unsplit row is told to be mended likewise.
* A cell that a spreadsheet would run as a formula gets a leading apostrophe, which ``_reasons``
  tells, as it has to come off again. A number, such as ``-5`` or ``+3.5``, is no formula.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from lake.contract import PROBLEMS, Contract, normalise_header
from lake.errors import ConfigError, NotFoundError
from streaming.decode.records import WHITE, parse_record, split_lines
from streaming.notation import DATE_DMY, NUMBER_COMMA, NUMBER_POINT
from streaming.source import is_drop_name

REASONS = "_reasons"

# And their full-width forms; a tab or a line end is never first, as cells are trimmed.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_YEAR_LAST = re.compile(r"(?:MM|dd)[-/.](?:MM|dd)[-/.]yy")
_MONTH_FIRST = re.compile(r"(?<!yyyy[-/.])MM[-/.]dd")
_PLAINLY = "write dates as yyyy-MM-dd and numbers as 1234.50"
_THREE_DECIMALS = re.compile(r"(\.[0-9]{3})(?![0-9])")


@dataclass(frozen=True)
class Reading:
    """How a drop was read, as its account and the contract tell it.

    Attributes:
        columns: the header, by contract name where known; unnamed ones are empty.
        month_first: the order in dates whose year comes last.
        marks: the decimal mark of each column of numbers.
        dates: names of the columns of dates.
        plain: whether dates have the year first and numbers a decimal point throughout.
    """

    columns: tuple[str, ...]
    delimiter: str
    month_first: bool
    marks: Mapping[str, str]
    dates: frozenset[str]
    plain: bool

    @classmethod
    def of(cls, account: Mapping[str, Any], contract: Contract) -> Reading:
        """Take a drop's reading from its ledger row."""
        told = [part.rpartition("=") for part in (account["decimal_mark"] or "").split("; ")]
        marks = {name or "rest": mark for name, _, mark in told if mark}
        rest = marks.get("rest", ".")
        formats = account["date_format"] or ""
        return cls(
            columns=tuple(account["columns"]),
            delimiter=account["delimiter"],
            month_first=bool(_MONTH_FIRST.search(formats)),
            marks={name: marks.get(name, rest) for name in contract.of_type("count", "money")},
            dates=frozenset(contract.of_type("date", "check")),
            plain=not _YEAR_LAST.search(formats) and "," not in marks.values(),
        )

    @property
    def places(self) -> list[int]:
        """Places of the columns to write: all but the reasons of an earlier export."""
        named = enumerate(self.columns)
        return [place for place, name in named if normalise_header(name) != REASONS]


@dataclass
class Export:
    """What was written: rows, those of them in one cell, and cells with an apostrophe."""

    rows: int = 0
    unsplit: int = 0
    apostrophes: int = 0


def check_target(target: Path) -> None:
    """Refuse to write where the file could not be dropped from, or where something is already.

    Raises:
        ConfigError: the name is no drop's, or is taken.
        NotFoundError: its directory does not exist.
    """
    if not is_drop_name(target.name) or target.suffix.lower() != ".csv":
        raise ConfigError(
            f"{target} could not be dropped again: let its name end in .csv "
            "and begin with neither '_' nor '.'."
        )
    if not target.parent.is_dir():
        raise NotFoundError(f"There is no directory {target.parent}; make it, or name another.")
    if os.path.lexists(target):
        raise ConfigError(f"{target} exists already; name another file, or move that one away.")


def write_export(
    rows: Iterable[tuple[str, Sequence[str]]], reading: Reading, target: Path
) -> Export:
    """Write quarantined rows, each its text and its reasons, to a file for its owner's eyes only.

    It is UTF-8 with a byte order mark, without which Excel would misread it. It appears under its
    name when it is whole.

    Raises:
        ConfigError: something has that name already; it is left as it is.
    """
    done = Export()
    handle, hidden = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream, delimiter=reading.delimiter, lineterminator="\r\n")
            header = [_harmless(reading.columns[place]) for place in reading.places]
            writer.writerow([*header, REASONS])
            writer.writerows(_export_row(raw, reasons, reading, done) for raw, reasons in rows)
        check_target(target)
        Path(hidden).replace(target)
    except BaseException:
        Path(hidden).unlink(missing_ok=True)
        raise
    return done


def _export_row(raw: str, reasons: Sequence[str], reading: Reading, done: Export) -> list[str]:
    cells = None if PROBLEMS.keys() & set(reasons) else split_row(raw, reading)
    told = list(reasons)
    done.rows += 1
    if cells is None:
        done.unsplit += 1
        cells = [""] * len(reading.columns)
        cells[reading.places[0]] = raw.strip(WHITE)
        told += [] if reading.plain else [_PLAINLY]
    kept = []
    for place in reading.places:
        kept.append(_harmless(cells[place]))
        if kept[-1] != cells[place]:
            done.apostrophes += 1
            told.append(f"apostrophe: {reading.columns[place] or f'column {place + 1}'}")
    return [*kept, "; ".join(told)]


def split_row(raw: str, reading: Reading) -> list[str] | None:
    """Split a row's text into one cell for each column of the header, in unmistakable notation.

    Returns:
        The cells, trimmed; None where the text is not one record of that width. Empty fields
        without a name may be there in rows and header or in one of them only.
    """
    lines = split_lines(raw)
    parsed = parse_record(lines, 0, reading.delimiter) if lines else None
    if parsed is None or parsed.fields is None or parsed.end != len(lines):
        return None
    cells = [cell.strip(WHITE) for cell in parsed.fields]
    columns = reading.columns
    named = max(place for place, name in enumerate(columns) if name) + 1
    if len(cells) < named or any(cells[len(columns) :]):
        return None
    cells += [""] * (len(columns) - len(cells))
    return [_plain(cell, name, reading) for cell, name in zip(cells, columns, strict=False)]


def _plain(cell: str, name: str, reading: Reading) -> str:
    if name in reading.dates:
        return plain_date(cell, month_first=reading.month_first)
    if name in reading.marks:
        return plain_number(cell, reading.marks[name])
    return cell


def plain_date(cell: str, *, month_first: bool) -> str:
    """Put the year of a date first, a time after it left alone; what is no date stays."""
    match = re.match(DATE_DMY, cell)
    if match is None:
        return cell
    month, day = match.group(1, 2) if month_first else match.group(2, 1)
    year = match[3] if len(match[3]) == 4 else f"20{match[3]}"
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return cell
    return f"{year}-{month:0>2}-{day:0>2}{cell[match.end(3) :]}"


def plain_number(cell: str, mark: str) -> str:
    """Write a number with a decimal point and no thousands marks; what is no number stays.

    Three decimals get a fourth: ``12.340`` could be twelve thousand.
    """
    if not re.match(NUMBER_COMMA if mark == "," else NUMBER_POINT, cell):
        return cell
    digits = cell.replace(".", "").replace(",", ".") if mark == "," else cell.replace(",", "")
    return _THREE_DECIMALS.sub(r"\g<1>0", digits)


def _harmless(cell: str) -> str:
    """Let a spreadsheet take for text what it would take for a formula."""
    is_number = re.match(NUMBER_POINT, cell) or re.match(NUMBER_COMMA, cell)
    return f"'{cell}" if cell.startswith(_FORMULA) and not is_number else cell
