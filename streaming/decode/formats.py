"""How a drop writes numbers and dates: evidence from all cells, and what follows from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from lake.contract import Contract
from lake.errors import DropRejected
from streaming.decode.values import LONGEST
from streaming.notation import DATE_DMY, DATE_YMD, NUMBER_COMMA, NUMBER_POINT

_DAY = r"(?:1[3-9]|2[0-9]|3[01])"
_EITHER = r"(?:0?[1-9]|1[0-2])"
_DAY_FIRST = f"^{_DAY}[-/.]{_EITHER}[-/.]"
_MONTH_FIRST = f"^{_EITHER}[-/.]{_DAY}[-/.]"
_OPEN = f"^{_EITHER}[-/.]{_EITHER}[-/.]"
# A thousand and more, or thousandths.
_THREE_AFTER = r"^[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}$"
# 05/05/2021 is the fifth of May either way.
_SAME = "^(?:" + "|".join(f"0?{n}[-/.]0?{n}" for n in range(1, 13)) + ")[-/.]"
_YEAR_LAST = r"^[0-9]{1,2}[-/.]"

_OFFSETS = {"Z": "XXX", "+00:00": "XXX", "+0000": "XX", "+00": "X"}


@dataclass(frozen=True)
class Notation:
    """How the cells of a drop are to be read.

    Attributes:
        date_order: ``dmy`` or ``mdy``, for all dates whose year comes last.
        decimal_marks: for each count and money column of the contract, ``.`` or ``,``.
    """

    date_order: str
    decimal_marks: Mapping[str, str]


@dataclass(frozen=True)
class Decided:
    """What was decided for a drop, and how to tell it in the ledger."""

    notation: Notation
    date_format: str
    decimal_mark: str
    notes: tuple[str, ...]


@dataclass
class _Numbers:
    point: int = 0
    comma: int = 0
    either: int = 0
    commas: int = 0

    def add(self, cells: pa.Array, counts: pa.Array) -> None:
        """Count the cells that can be read in one notation only, or differently in both."""
        marked = pc.match_substring_regex(cells, "[.,]")
        cells, counts = cells.filter(marked), counts.filter(marked)
        if len(cells) == 0:
            return
        point = pc.match_substring_regex(cells, NUMBER_POINT)
        comma = pc.match_substring_regex(cells, NUMBER_COMMA)
        self.point += _total(counts, pc.and_not(point, comma))
        self.comma += _total(counts, pc.and_not(comma, point))
        either = pc.match_substring_regex(cells, _THREE_AFTER)
        self.either += _total(counts, either)
        self.commas += _total(counts, pc.and_(either, pc.match_substring(cells, ",")))

    def decide(self, name: str, thousands: str | None, notes: list[str]) -> str:
        """Choose the mark that more cells speak for.

        Args:
            name: the column's.
            thousands: what the contract says of a mark that may stand for thousands.
            notes: what is worth telling is added to them.

        Raises:
            DropRejected: ``ambiguous_thousands``.
        """
        if self.either and not (self.point or self.comma):
            mark = self._settle(name, thousands)
            notes.append(f"{name}: read with '{mark}', as the contract says of this supplier")
            return mark
        mark = "," if self.comma > self.point else "."
        if self.point and self.comma:
            notes.append(
                f"{name}: both decimal marks occur (point {self.point:,}, comma {self.comma:,}); "
                f"read with '{mark}'"
            )
        return mark

    def _settle(self, name: str, thousands: str | None) -> str:
        with_comma = 2 * self.commas > self.either
        if 0 < self.commas < self.either:
            raise DropRejected(
                "ambiguous_thousands",
                f"The numbers in {name} that have a mark are written like 1.234 and like 1,234; "
                "send them without thousands marks and with two decimals.",
            )
        if thousands == "never":
            return "," if with_comma else "."
        if thousands == "always":
            return "." if with_comma else ","
        written, one = ("1,234", "1,23") if with_comma else ("1.234", "1.23")
        raise DropRejected(
            "ambiguous_thousands",
            f"The numbers in {name} that have a mark ({self.either:,}) are all written like "
            f"{written}, which may be a thousand and more or {one}; send them without thousands "
            "marks and with two decimals, or have the contract say which it is for files of this "
            "name ([[suppliers]], thousands).",
        )


@dataclass
class _Orders:
    day_first: int = 0
    month_first: int = 0
    either: int = 0

    def add(self, cells: pa.Array, counts: pa.Array) -> None:
        """Count the year-last dates that settle the order of day and month, or do not."""
        last = pc.match_substring_regex(cells, _YEAR_LAST)
        cells, counts = cells.filter(last), counts.filter(last)
        if len(cells) == 0:
            return
        self.day_first += _total(counts, pc.match_substring_regex(cells, _DAY_FIRST))
        self.month_first += _total(counts, pc.match_substring_regex(cells, _MONTH_FIRST))
        either = pc.and_not(
            pc.match_substring_regex(cells, _OPEN), pc.match_substring_regex(cells, _SAME)
        )
        self.either += _total(counts, either)

    def decide(self, accepted: tuple[str, ...], notes: list[str]) -> str:
        """Choose the accepted order that more cells speak for; the contract's first if equal."""
        evidence = {"dmy": self.day_first, "mdy": self.month_first}
        order = max(accepted, key=lambda each: evidence[each])
        against = sum(evidence.values()) - evidence[order]
        words = "day before month" if order == "dmy" else "month before day"
        if self.either and not any(evidence.values()):
            notes.append(
                f"{self.either:,} dates fit day first and month first; "
                f"read as {words} as the contract prefers"
            )
        if against:
            notes.append(f"dates are read as {words}; {against:,} do not fit that")
        return order


@dataclass
class _Dates:
    """The formats of one column; each is found from one cell and then counted in bulk."""

    formats: Counter[str] = field(default_factory=Counter)
    patterns: dict[str, str] = field(default_factory=dict)

    def add(self, cells: pa.Array, counts: pa.Array) -> None:
        """Count the cells in each format."""
        for label in list(self.patterns):
            cells, counts = self._count(label, cells, counts)
            if len(cells) == 0:
                return
        dates = pc.or_(
            pc.match_substring_regex(cells, DATE_YMD), pc.match_substring_regex(cells, DATE_DMY)
        )
        cells, counts = cells.filter(dates), counts.filter(dates)
        while len(cells):
            label, pattern = _format_of(cells[0].as_py())
            self.patterns[label] = pattern
            cells, counts = self._count(label, cells, counts)

    def _count(self, label: str, cells: pa.Array, counts: pa.Array) -> tuple[pa.Array, pa.Array]:
        matched = pc.match_substring_regex(cells, self.patterns[label])
        if pc.any(matched).as_py():
            self.formats[label] += _total(counts, matched)
        rest = pc.invert(matched)
        return cells.filter(rest), counts.filter(rest)

    def describe(self, order: str) -> str:
        """Write the formats, the most frequent first; D and M stand for the open order."""
        first, second = ("dd", "MM") if order == "dmy" else ("MM", "dd")
        return " or ".join(
            f"{first}{label[1]}{second}{label[3:]}" if label.startswith("D") else label
            for label, _ in sorted(self.formats.items(), key=lambda item: (-item[1], item[0]))
        )


class FormatEvidence:
    """Gathers evidence batch by batch, in constant memory."""

    def __init__(self, contract: Contract, present: set[str], file_name: str) -> None:
        self._contract = contract
        self._file_name = file_name
        self._numbers = {n: _Numbers() for n in contract.of_type("count", "money") if n in present}
        self._dates = {n: _Dates() for n in contract.of_type("date", "check") if n in present}
        self._orders = _Orders()

    def add(self, name: str, column: pa.Array) -> None:
        """Take the cells of one column of one batch into account, as a dictionary of the distinct.

        What is longer than any number or date is no evidence.
        """
        if name not in self._numbers and name not in self._dates:
            return
        cells = column.dictionary
        # A dictionary and these counts are both in the order in which values come first.
        counts = pc.value_counts(column.indices.drop_null()).field("counts")
        sane = pc.less_equal(pc.binary_length(cells), LONGEST)
        if not pc.all(sane, min_count=0).as_py():
            cells, counts = cells.filter(sane), counts.filter(sane)
        if name in self._numbers:
            self._numbers[name].add(cells, counts)
            return
        self._dates[name].add(cells, counts)
        self._orders.add(cells, counts)

    def decide(self) -> Decided:
        """Decide, and tell what stayed ambiguous.

        Raises:
            DropRejected: ``ambiguous_thousands``.
        """
        notes: list[str] = []
        thousands = self._contract.thousands(self._file_name)
        present = {n: each.decide(n, thousands, notes) for n, each in self._numbers.items()}
        order = self._orders.decide(self._contract.date_orders, notes)
        formats = {n: each.describe(order) for n, each in self._dates.items() if each.formats}
        marks = dict.fromkeys(self._contract.of_type("count", "money"), ".") | present
        told = _merge(formats, "; "), _merge(present, ","), tuple(notes)
        return Decided(Notation(order, marks), *told)

    def guess(self) -> Notation:
        """Say what is likely by the cells so far."""
        undecided: list[str] = []
        marks = dict.fromkeys(self._contract.of_type("count", "money"), ".")
        for name, each in self._numbers.items():
            if each.point or each.comma:
                marks[name] = each.decide(name, None, undecided)
        return Notation(self._orders.decide(self._contract.date_orders, undecided), marks)


def _merge(values: dict[str, str], kind: str) -> str:
    """Name the most frequent value once, then the columns that differ."""
    if not values:
        return ""
    common = Counter(values.values()).most_common(1)[0][0]
    others = [f"{name}={value}" for name, value in values.items() if value != common]
    if kind == ",":
        return "; ".join([*others, f"rest={common}"]) if others else common
    return "; ".join([common, *others])


def _total(counts: pa.Array, mask: pa.Array) -> int:
    return pc.sum(counts.filter(mask)).as_py() or 0


def _format_of(cell: str) -> tuple[str, str]:
    """Name the format of a date cell and write the pattern of all cells in it."""
    if match := re.match(DATE_YMD, cell):
        first, second = cell[4], cell[match.end(2)]
        label = f"yyyy{first}MM{second}dd"
        pattern = f"^[0-9]{{4}}[{first}][0-9]{{1,2}}[{second}][0-9]{{1,2}}"
        end = match.end(3)
    else:
        match = re.match(DATE_DMY, cell)
        assert match is not None  # noqa: S101 - only dates come here
        first, second = cell[match.end(1)], cell[match.end(2)]
        digits = len(match[3])
        label = f"D{first}M{second}{'y' * digits}"
        pattern = f"^[0-9]{{1,2}}[{first}][0-9]{{1,2}}[{second}][0-9]{{{digits}}}"
        end = match.end(3)
    if match[4] is None:
        return label, pattern + "$"
    time_label, time_pattern = _time_format_of(cell[end], match)
    return label + time_label, f"{pattern}{time_pattern}$"


def _time_format_of(separator: str, match: re.Match[str]) -> tuple[str, str]:
    label = ("'T'" if separator == "T" else " ") + "HH:mm"
    pattern = separator + "[0-9]{1,2}:[0-9]{2}"
    if match[6] is not None:
        label, pattern = label + ":ss", pattern + ":[0-9]{2}"
    if match[7] is not None:
        label, pattern = label + ".SSS", pattern + "[.,][0-9]+"
    pattern += " ?"
    if match[8] is not None:
        shape = "Z" if match[8] == "Z" else "+" + re.sub("[0-9]", "0", match[8][1:])
        label += _OFFSETS[shape]
        pattern += {
            "XXX": "(?:Z|[+-][0-9]{2}:[0-9]{2})",
            "XX": "[+-][0-9]{4}",
            "X": "[+-][0-9]{2}",
        }[_OFFSETS[shape]]
    return label, pattern
