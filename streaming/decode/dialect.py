"""What a drop's first lines say: its delimiter, its columns, and how wide its records are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from lake.contract import Contract, normalise_header
from lake.errors import DropRejected
from streaming.decode.names import DATA, ID, quoted, told_names
from streaming.decode.records import WHITE, is_blank, is_readable, parse_record, readable
from streaming.decode.text import binary_content

DELIMITERS = (",", ";", "|", "\t")
MAX_COLUMNS = 1_000
MAX_NAME = 256
_SAMPLE = 1_000
_LISTED = 20
# No header that is accepted is longer, but for blanks; nor is a line worth a look for its width.
_LONGEST_HEADER = MAX_COLUMNS * (2 * MAX_NAME + 8)

_SEPARATOR_HINT = re.compile(r"^\"?sep=(.)\"?$", re.IGNORECASE)
# pandas names an index column so when it reads its own file again.
_UNNAMED = re.compile(r"^unnamed: [0-9]+$", re.IGNORECASE)
# A Turkish spreadsheet writes MASTER_İD in capitals.
_TURKISH_I = str.maketrans("İı", "Ii")


@dataclass(frozen=True)
class Layout:
    """Where a drop has what.

    Attributes:
        columns: the header in order as it may be told to everybody: by contract name where known,
            else see `streaming.decode.names`; unnamed ones are empty.
        width: the number of fields that a record must have.
        positions: the place of each contract column that is there.
        rescued: the name under which each other column is kept, by place.
        surplus: places beyond the header, which must be empty.
        header_lines: how many lines came before the first record.
        blank_lines: how many of them were blank.
    """

    delimiter: str
    columns: tuple[str, ...]
    width: int
    positions: dict[str, int]
    rescued: dict[int, str]
    surplus: range
    header_lines: int
    blank_lines: int
    notes: tuple[str, ...]

    def present(self, contract: Contract) -> tuple[str, ...]:
        """Name the columns that the header has, but for those that serve as a check alone."""
        return tuple(sorted(set(self.positions) - set(contract.of_type("check"))))


def find_layout(lines: Sequence[str], contract: Contract, *, looks_binary: bool) -> Layout:
    """Find delimiter, header and width from a drop's first lines.

    Raises:
        DropRejected: ``empty_file``, ``binary_content``, ``no_header``, ``unknown_layout``,
            ``too_many_columns``, ``long_header``, ``data_in_header``, ``duplicate_header`` or
            ``missing_columns``.
    """
    start, blank, notes = _find_first(lines)
    delimiter, cells, end = _split_header(lines, start, contract, looks_binary)
    names = tuple(_name(cell, contract) for cell in cells)
    _refuse_data(names)
    _refuse_duplicates(names, contract)
    positions = {name: at for at, name in enumerate(names) if name in contract.columns}
    _refuse_missing(positions, contract)
    width = _width(lines[end:], delimiter, names)
    surplus = range(len(names), width)
    rescued = _rescued(names[:width], positions)
    if not names[0]:
        del rescued[0]
        notes.append("the leading unnamed index column is ignored")
    told = told_names(names, contract)
    notes += _describe(cells, told, positions, rescued, surplus)
    return Layout(delimiter, told, width, positions, rescued, surplus, end, blank, tuple(notes))


def _rescued(names: Sequence[str], positions: dict[str, int]) -> dict[int, str]:
    rescued = {}
    for at, name in enumerate(names):
        if not name:
            own = f"column_{at + 1}"
            rescued[at] = own if own not in names else f"{own}_unnamed"
        elif name not in positions:
            rescued[at] = name
    return rescued


def _find_first(lines: Sequence[str]) -> tuple[int, int, list[str]]:
    start, blank = 0, 0
    notes: list[str] = []
    while start < len(lines):
        line = lines[start].strip(WHITE)
        if _SEPARATOR_HINT.match(line) and not notes:
            notes.append("the line 'sep=' before the header is skipped")
        elif line:
            return start, blank, notes
        else:
            blank += 1
        start += 1
    raise DropRejected("empty_file", "The file holds no data; send it again with its data.")


def _split_header(
    lines: Sequence[str], start: int, contract: Contract, looks_binary: bool
) -> tuple[str, list[str], int]:
    best: tuple[int, int, str, list[str], int] | None = None
    opening, is_cut = _opening(lines, start)
    for delimiter in DELIMITERS:
        fields, end, _ = parse_record(opening, 0, delimiter)
        if fields is None:
            continue
        known = sum(_is_known(cell, contract) for cell in fields[:MAX_COLUMNS])
        if best is None or (known, len(fields)) > best[:2]:
            best = known, len(fields), delimiter, fields, end
    if best is None or best[0] == 0:
        raise _no_known_column(opening[0], best[1] if best else 0, looks_binary)
    _, count, delimiter, fields, end = best
    if count > MAX_COLUMNS:
        raise _too_many_columns(count, more=is_cut and end == len(opening))
    _refuse_long_names(fields, is_cut=is_cut and end == len(opening))
    return delimiter, fields, start + end


def _opening(lines: Sequence[str], start: int) -> tuple[list[str], bool]:
    """Take as much as an accepted header can have; tell whether the last line is cut."""
    opening: list[str] = []
    left = _LONGEST_HEADER
    for line in islice(lines, start, None):
        opening.append(line[:left])
        left -= len(line)
        if left <= 0:
            return opening, left < 0
    return opening, False


def _is_known(cell: str, contract: Contract) -> bool:
    return len(cell) <= MAX_NAME and _name(cell, contract) in contract.columns


def _no_known_column(line: str, fields: int, looks_binary: bool) -> DropRejected:
    if looks_binary or not is_readable(line) or _has_controls(line):
        return binary_content()
    cells = [cell.strip(WHITE + '"') for cell in re.split(r"[,;|\t]", line)]
    if fields > MAX_COLUMNS:
        return _too_many_columns(fields, more=False)
    if any(DATA.match(cell) for cell in cells):
        return DropRejected(
            "no_header",
            "The first line holds data, not column names; put the header line before it.",
        )
    return DropRejected(
        "unknown_layout",
        "The first line names no column of the contract with any of the delimiters "
        "comma, semicolon, bar and tab; send a customer extract with its header line.",
    )


def _has_controls(line: str) -> bool:
    return any(ord(char) < 32 and char not in "\t\r\n\f\v" for char in line)


def _too_many_columns(count: int, *, more: bool) -> DropRejected:
    columns = f"{'more than ' if more else ''}{count:,} columns"
    return DropRejected(
        "too_many_columns",
        f"The header has {columns} and {MAX_COLUMNS:,} are accepted; "
        "send only the columns of the contract.",
    )


def _refuse_long_names(fields: Sequence[str], *, is_cut: bool) -> None:
    """Refuse what cannot be a column's name: it would be copied beside each row."""
    longest = max(range(len(fields)), key=lambda at: len(fields[at]))
    if is_cut or len(fields[longest]) > MAX_NAME:
        more = "at least " if is_cut else ""
        raise DropRejected(
            "long_header",
            f"Column {longest + 1} of the header has a name of {more}{len(fields[longest]):,} "
            f"characters and {MAX_NAME} are accepted; write the column names alone on a line.",
        )


def _name(cell: str, contract: Contract) -> str:
    """Name a header cell: as the contract does, else by its own text; unnamed is empty."""
    own = readable(cell).strip(WHITE)
    if _UNNAMED.match(own):
        return ""
    return contract.headers.get(normalise_header(own.translate(_TURKISH_I)), own)


def _refuse_data(names: Sequence[str]) -> None:
    """Refuse a header that names a customer: the ledger tells what a header says, to everybody.

    So it looks where a line end is lost, or where columns and rows have changed places.
    """
    for at, name in enumerate(names):
        if ID.search(name):
            raise DropRejected(
                "data_in_header",
                f"Column {at + 1} of the header holds a customer's id; "
                "write the column names on a line of their own, before the rows.",
            )


def _refuse_duplicates(names: Sequence[str], contract: Contract) -> None:
    first: dict[str, int] = {}
    for at, name in enumerate(names):
        folded = normalise_header(name)
        if folded and first.setdefault(folded, at) != at:
            # A name that is not the contract's may be anything, and the ledger is for everybody.
            alike = f"are both '{name}'" if name in contract.columns else "have the same name"
            raise DropRejected(
                "duplicate_header",
                f"Columns {first[folded] + 1} and {at + 1} of the header {alike}; keep one.",
            )


def _refuse_missing(positions: dict[str, int], contract: Contract) -> None:
    missing = [name for name in contract.required if name not in positions]
    if missing:
        raise DropRejected(
            "missing_columns",
            f"The header lacks {', '.join(missing)}; add the missing columns.",
        )


def _width(lines: Sequence[str], delimiter: str, names: Sequence[str]) -> int:
    """Find how many fields a record must have.

    That is the header's number, unless most records of the sample have another one which differs
    from it only by empty fields without a name: trailing delimiters in one and not the other.
    """
    named = max(at for at, name in enumerate(names) if name) + 1
    widths: Counter[int] = Counter()
    at = 0
    while at < min(len(lines), _SAMPLE):
        if len(lines[at]) > _LONGEST_HEADER:
            at += 1
            continue
        fields, end, unfinished = parse_record(lines, at, delimiter)
        if unfinished:
            break
        at = at + 1 if fields is None else end
        if fields is not None and not is_blank(fields) and is_blank(fields[len(names) :]):
            widths[len(fields)] += 1
    for width, count in widths.most_common(1):
        if named <= width <= MAX_COLUMNS and 2 * count > widths.total():
            return width
    return len(names)


def _describe(
    cells: Sequence[str],
    told: Sequence[str],
    positions: dict[str, int],
    rescued: dict[int, str],
    surplus: range,
) -> list[str]:
    notes = []
    for name, at in positions.items():
        own = normalise_header(cells[at].strip(WHITE).translate(_TURKISH_I))
        if own != name:
            notes.append(f"column '{own}' is read as {name}")
    unknown = [quoted(told[at]) for at in rescued if told[at]]
    if unknown:
        notes.append(f"columns unknown to the contract are kept as rescued: {_listed(unknown)}")
    unnamed = [str(at + 1) for at in rescued if not told[at]]
    if unnamed:
        notes.append(f"unnamed columns are kept as rescued where not empty: {_listed(unnamed)}")
    if surplus:
        notes.append(f"{len(surplus)} empty fields after the last column are ignored")
    return notes


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _LISTED
    return ", ".join(items[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")
