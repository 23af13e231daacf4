"""From the text of a cell to its value, and why not, by its column's type and the drop's notation.

Each function is given the distinct cells of a column, trimmed and none of them empty. Arrow reads
at once those that are written as most are; the few others are read one by one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from streaming.decode.records import WHITE
from streaming.notation import DATE_DMY, DATE_YMD, ISO_TIME, NUMBER_COMMA, NUMBER_POINT

# The largest values: two of them fit the features' columns, and the sum over any table of less than
# four billion customers fits a BIGINT and a DECIMAL(38,2).
MAX_COUNT = 10**9
MAX_MONEY = 10**15
MONEY = pa.decimal128(18, 2)
INSTANT = pa.timestamp("us", "UTC")
LONGEST = 64
"""A number or a date of more characters is none: some formats' parsers take the square of it."""

# Earlier days are what programs write for "none", and Python cannot show all of them.
FIRST_DAY = date(1900, 1, 1)
# All of them are in these planes; to go through all of Unicode took 0.11 s of each start.
INVISIBLE = WHITE + "".join(
    char for char in map(chr, (*range(0x20000), *range(0xE0000, 0xE1000)))
    if unicodedata.category(char) in ("Cc", "Cf") and char not in WHITE
)  # fmt: skip
"""What nobody sees at the end of an id, or of an item of a list: blanks, controls, zero widths."""

_PLAIN = {
    ("count", "."): r"^[0-9]{1,9}(?:\.0{1,2})?$",
    ("count", ","): r"^[0-9]{1,9}(?:,0{1,2})?$",
    ("money", "."): r"^[0-9]{1,12}(?:\.[0-9]{1,2})?$",
    ("money", ","): r"^[0-9]{1,12}(?:,[0-9]{1,2})?$",
}
_CENT = Decimal("0.01")
# Of a number of `LONGEST` characters with an exponent of three digits, each digit.
_EXACT = Context(prec=2_000)
_NOT_A_DATE = ("not_a_date",)
_LARGEST_OFFSET = timedelta(hours=18)
_A_DAY = pa.scalar(timedelta(days=1))


@dataclass(frozen=True)
class Values:
    """What cells come to.

    Attributes:
        values: one for each cell; null for one that is not of the type.
        failures: why not, by its place; of :data:`lake.contract.FAILURES`.
    """

    values: pa.Array
    failures: dict[int, tuple[str, ...]] = field(default_factory=dict)


def read_numbers(cells: pa.Array, kind: str, mark: str) -> Values:
    """Read counts (``int64``) or money (``decimal128(18, 2)``).

    Args:
        cells: the distinct cells.
        kind: ``count`` or ``money``.
        mark: the column's decimal mark.
    """
    plain = pc.match_substring_regex(cells, _PLAIN[kind, mark])
    pointed = pc.replace_substring(cells, ",", ".") if mark == "," else cells
    values = pc.if_else(plain, pointed, None).cast(MONEY)
    if kind == "count":
        values = values.cast(pa.int64())
    return _complete(values, cells, plain, lambda cell: read_number(cell, kind, mark))


def read_number(cell: str, kind: str, mark: str) -> tuple[Decimal | int | None, tuple[str, ...]]:
    """Read one number, exactly; see :func:`read_numbers`."""
    pattern = NUMBER_COMMA if mark == "," else NUMBER_POINT
    if len(cell) > LONGEST or not re.match(pattern, cell):
        return None, ("not_a_number",)
    pointed = cell.replace(".", "").replace(",", ".") if mark == "," else cell.replace(",", "")
    number = Decimal(pointed)
    is_count = kind == "count"
    scaled = number if is_count else _EXACT.scaleb(number, 2)
    is_cut = scaled != _EXACT.to_integral_value(scaled)
    is_far = abs(number) > (MAX_COUNT if is_count else MAX_MONEY)
    failures = (
        *(("negative",) if number < 0 else ()),
        *((("fractional",) if is_count else ("too_many_decimals",)) if is_cut else ()),
        *(("out_of_range",) if is_far else ()),
    )
    if failures:
        return None, failures
    return (int(number) if is_count else _EXACT.quantize(number, _CENT)), ()


def read_instants(cells: pa.Array, order: str, zone: str) -> Values:
    """Read dates, with a time or without, as instants (``timestamp[us, UTC]``).

    A date alone is that day's start in the zone; a time without an offset is one in the zone. See
    :func:`business_days` for the days.

    Args:
        cells: the distinct cells.
        order: ``dmy`` or ``mdy``, where the year comes last.
        zone: the business time zone.
    """
    iso = pc.match_substring_regex(cells, ISO_TIME)
    has_offset = pc.match_substring_regex(cells, r"[0-9](?:Z|[+-][0-9]{2}:[0-9]{2})$")
    local = pc.if_else(pc.and_not(iso, has_offset), cells, None).cast(pa.timestamp("us"))
    exact = pc.if_else(pc.and_(iso, has_offset), cells, None).cast(INSTANT)
    values = pc.coalesce(exact, _instants_of(local, zone))
    return _complete(values, cells, iso, lambda cell: read_instant(cell, order, zone))


def read_instant(cell: str, order: str, zone: str) -> tuple[datetime | None, tuple[str, ...]]:
    """Read one date; see :func:`read_instants`."""
    return _read_instant(cell, order, zone) if len(cell) <= LONGEST else (None, _NOT_A_DATE)


# The days of a drop are few, and each batch has them again.
@lru_cache(maxsize=1 << 14)
def _read_instant(cell: str, order: str, zone: str) -> tuple[datetime | None, tuple[str, ...]]:
    if found := re.match(DATE_YMD, cell):
        year, month, day = found.group(1, 2, 3)
    elif found := re.match(DATE_DMY, cell):
        day, month, year = found.group(*((1, 2, 3) if order == "dmy" else (2, 1, 3)))
        # A year of two digits is of this century: the first FLO customer is of 2013.
        year = f"20{year}" if len(year) == 2 else year
    else:
        return None, _NOT_A_DATE
    hour, minute, second, fraction, offset = found.group(4, 5, 6, 7, 8)
    micros = (fraction or "")[:6].ljust(6, "0")
    try:
        moment = datetime(
            int(year), int(month), int(day),
            int(hour or 0), int(minute or 0), int(second or 0), int(micros),
            tzinfo=_offset(offset) if offset else ZoneInfo(zone),
        )  # fmt: skip
        if moment.date() < FIRST_DAY:
            return None, _NOT_A_DATE
        return moment.astimezone(UTC), ()
    except (ValueError, OverflowError):
        return None, _NOT_A_DATE


def _offset(text: str) -> Any:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _LARGEST_OFFSET:
        raise ValueError("no offset")
    return timezone(-offset if text[0] == "-" else offset)


def _instants_of(local: pa.Array, zone: str) -> pa.Array:
    """When it is a local time in a zone: of two such instants the first.

    A time that a change of the clocks leaves out is reckoned on from the time before it.
    """
    zoned = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")
    skipped = pc.not_equal(pc.local_timestamp(zoned), local)
    if pc.any(skipped).as_py():
        day_before = pc.subtract(pc.if_else(skipped, local, None), _A_DAY)
        before = pc.assume_timezone(day_before, zone, ambiguous="earliest")
        zoned = pc.if_else(skipped, pc.add(before, _A_DAY), zoned)
    return zoned.cast(INSTANT)


def business_days(instants: pa.Array, zone: str) -> pa.Array:
    """The days of instants (``date32``) in a zone."""
    return pc.local_timestamp(instants.cast(pa.timestamp("us", zone))).cast(pa.date32(), safe=False)


def read_lists(cells: pa.Array) -> Values:
    """Read ``[A, B]``, ``A,B`` or ``['A', 'B']`` (``list<string>``); ``[]`` is an empty list."""
    lists = pc.split_pattern(_bare(cells, r"^[\[{(]|[\]})]$"), ",")
    items = _bare(lists.flatten(), r"^['\"]|['\"]$")
    is_any = pc.not_equal(items, "")
    # Where a list ends among the items that are any: as many as came before its end.
    kept = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(is_any.cast(pa.int32()))])
    first = lists.offsets[0].as_py()
    ends = kept.take(pc.subtract(lists.offsets, first))
    return Values(pa.ListArray.from_arrays(ends, items.filter(is_any)))


def _bare(texts: pa.Array, around: str) -> pa.Array:
    """Take off what stands around texts: blanks, and one character of a kind at each end."""
    within = pc.replace_substring_regex(pc.utf8_trim(texts, characters=INVISIBLE), around, "")
    return pc.utf8_trim(within, characters=INVISIBLE)


def _complete(
    values: pa.Array,
    cells: pa.Array,
    is_read: pa.Array,
    read: Callable[[str], tuple[Any, tuple[str, ...]]],
) -> Values:
    """Read the cells that were not read at once, one by one."""
    places: Sequence[int] = pc.indices_nonzero(pc.invert(is_read)).to_pylist()
    if not places:
        return Values(values)
    found = {at: read(cells[at].as_py()) for at in places}
    others = [found[at][0] if at in found else None for at in range(len(cells))]
    return Values(
        pc.coalesce(values, pa.array(others, values.type)),
        {at: failures for at, (_, failures) in found.items() if failures},
    )
