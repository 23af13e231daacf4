"""What a drop's first lines say: its delimiter, its columns, and how wide its records are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lake.contract import Contract, normalise_header
from lake.errors import DropRejected
from streaming.decode.records import WHITE, is_blank, is_readable, parse_record
from streaming.decode.text import binary_content

DELIMITERS = (",", ";", "|", "\t")
MAX_COLUMNS = 1_000
_SAMPLE = 1_000

_SEPARATOR_HINT = re.compile(r"^\"?sep=(.)\"?$", re.IGNORECASE)
# pandas names an index column so when it reads its own file again.
_UNNAMED = re.compile(r"^unnamed: [0-9]+$", re.IGNORECASE)
_DATA = re.compile(
    r"^(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([T ].*)?"
    r"|[+-]?[0-9][0-9.,]*)$",
    re.IGNORECASE,
)
# No column is named after a customer: where one is, a row has got into the header.
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
# A Turkish spreadsheet writes MASTER_İD in capitals.
_TURKISH_I = str.maketrans("İı", "Ii")


@dataclass(frozen=True)
class Layout:
    """Where a drop has what.

    Attributes:
        columns: the header in order, by contract name where known; unnamed ones are empty.
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

    def absent(self, contract: Contract) -> tuple[str, ...]:
        """Name the optional columns that the header lacks."""
        return tuple(sorted(set(contract.optional) - set(self.positions)))


def find_layout(lines: Sequence[str], contract: Contract, *, looks_binary: bool) -> Layout:
    """Find delimiter, header and width from a drop's first lines.

    Raises:
        DropRejected: ``empty_file``, ``binary_content``, ``no_header``, ``unknown_layout``,
            ``too_many_columns``, ``data_in_header``, ``duplicate_header`` or ``missing_columns``.
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
    notes += _describe(cells, names, positions, rescued, surplus)
    return Layout(delimiter, names, width, positions, rescued, surplus, end, blank, tuple(notes))


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
    for delimiter in DELIMITERS:
        fields, end, _ = parse_record(lines, start, delimiter)
        if fields is None:
            continue
        known = sum(_name(cell, contract) in contract.columns for cell in fields)
        if best is None or (known, len(fields)) > best[:2]:
            best = known, len(fields), delimiter, fields, end
    if best is None or best[0] == 0:
        raise _no_known_column(lines[start], best[1] if best else 0, looks_binary)
    if best[1] > MAX_COLUMNS:
        raise _too_many_columns(best[1])
    return best[2], best[3], best[4]


def _no_known_column(line: str, fields: int, looks_binary: bool) -> DropRejected:
    if looks_binary or not is_readable(line) or _has_controls(line):
        return binary_content()
    cells = [cell.strip(WHITE + '"') for cell in re.split(r"[,;|\t]", line)]
    if fields > MAX_COLUMNS:
        return _too_many_columns(fields)
    if any(_DATA.match(cell) for cell in cells):
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


def _too_many_columns(count: int) -> DropRejected:
    return DropRejected(
        "too_many_columns",
        f"The header has {count:,} columns and {MAX_COLUMNS:,} are accepted; "
        "send only the columns of the contract.",
    )


def _name(cell: str, contract: Contract) -> str:
    """Name a header cell: as the contract does, else by its own text; unnamed is empty."""
    own = cell.strip(WHITE)
    if _UNNAMED.match(own):
        return ""
    return contract.headers.get(normalise_header(own.translate(_TURKISH_I)), own)


def _refuse_data(names: Sequence[str]) -> None:
    """Refuse a header that names a customer: the ledger tells what a header says, to everybody.

    So it looks where a line end is lost, or where columns and rows have changed places.
    """
    for at, name in enumerate(names):
        if _ID.search(name):
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
        if is_blank(lines[at], delimiter):
            at += 1
            continue
        fields, end, unfinished = parse_record(lines, at, delimiter)
        if unfinished:
            break
        at = at + 1 if fields is None else end
        if fields is not None and not any(cell.strip(WHITE) for cell in fields[len(names) :]):
            widths[len(fields)] += 1
    for width, count in widths.most_common(1):
        if named <= width <= MAX_COLUMNS and 2 * count > widths.total():
            return width
    return len(names)


def _describe(
    cells: Sequence[str],
    names: Sequence[str],
    positions: dict[str, int],
    rescued: dict[int, str],
    surplus: range,
) -> list[str]:
    notes = []
    for name, at in positions.items():
        own = normalise_header(cells[at].strip(WHITE).translate(_TURKISH_I))
        if own != name:
            notes.append(f"column '{own}' is read as {name}")
    unknown = [_shown(name) for at, name in rescued.items() if names[at]]
    if unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        notes.append(f"columns unknown to the contract are kept as rescued: {listed}")
    unnamed = [str(at + 1) for at in rescued if not names[at]]
    if unnamed:
        notes.append(f"unnamed columns are kept as rescued where not empty: {', '.join(unnamed)}")
    if surplus:
        notes.append(f"{len(surplus)} empty fields after the last column are ignored")
    return notes


def _shown(name: str) -> str:
    return name if len(name) <= 64 else name[:63] + "…"
