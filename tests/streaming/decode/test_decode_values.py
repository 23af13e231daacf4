"""Typed cells against a plain-Python reading of the contract, which shares no code with them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streaming.decode.values import (
    LONGEST,
    _read_instant,
    business_days,
    read_instant,
    read_instants,
    read_lists,
    read_numbers,
)

ZONE = "Europe/Istanbul"
searched = settings(max_examples=400, deadline=None, database=None)
DIGITS = st.text("0123456789", max_size=12)
NUMBERS = st.one_of(
    st.text("0123456789.,-+eE ", max_size=14),
    st.tuples(st.sampled_from(["", "-", "+"]), DIGITS, st.sampled_from(["", ".", ","]), DIGITS,
              st.sampled_from(["", "e3", "E-04", "e+400"])).map("".join),
    st.decimals(-(10**9) - 9, 10**9 + 9, places=2).map(str),
    st.sampled_from(["1000000000", "1000000001", "1" + "0" * 15, "1" + "0" * 15 + ".01",
                     "9" * 80, "0" * 70, "0." + "0" * 40 + "1", "NaN", "∞", "٤"]),
)  # fmt: skip


def plain_number(cell: str, mark: str) -> Fraction | None:
    """Read a number as a person would: digits, groups of three, one mark, an exponent."""
    other = "," if mark == "." else "."
    body, _, exponent = cell.replace("E", "e").partition("e")
    if ("e" in cell or "E" in cell) and not re.fullmatch(r"[+-]?[0-9]{1,3}", exponent):
        return None
    sign, digits = (body[:1], body[1:]) if body[:1] in ("+", "-") else ("", body)
    whole, _, decimals = digits.partition(mark)
    groups = whole.split(other)
    if len(groups) > 1:
        right = [len(each) == 3 for each in groups[1:]]
        if not (all(right) and 1 <= len(groups[0]) <= 3 and groups[0][0] != "0"):
            return None
    joined = "".join(groups)
    if not (joined or decimals) or not re.fullmatch("[0-9]*", joined + decimals):
        return None
    if mark in digits and mark in decimals:
        return None
    value = Fraction(int((joined + decimals) or 0), 10 ** len(decimals))
    power = int(exponent or 0)
    value = value * 10**power if power >= 0 else value / 10**-power
    return -value if sign == "-" else value


def expected_number(cell: str, kind: str, mark: str) -> tuple[Any, tuple[str, ...]]:
    """What the contract says of a cell of a count or of money."""
    value = plain_number(cell, mark) if len(cell) <= LONGEST else None
    if value is None:
        return None, ("not_a_number",)
    unit, most = (1, 10**9) if kind == "count" else (100, 10**15)
    whys = []
    if value < 0:
        whys.append("negative")
    if (value * unit).denominator != 1:
        whys.append("fractional" if kind == "count" else "too_many_decimals")
    if abs(value) > most:
        whys.append("out_of_range")
    if whys:
        return None, tuple(whys)
    return (int(value) if kind == "count" else Decimal(int(value * 100)) / 100), ()


@searched
@given(
    st.lists(NUMBERS.filter(bool), min_size=1, max_size=8, unique=True),
    st.sampled_from(["count", "money"]),
    st.sampled_from([".", ","]),
)
@example(["-0", "-0.00", "4.0", "4.50", "1e-30", "1,234.5", "1.234,5"], "count", ".")
@example(["1.234", "1,234", "12,5", "12.5", ",5", "5,"], "money", ",")
def test_a_number_is_what_a_person_reads(cells: list[str], kind: str, mark: str) -> None:
    """Whatever the text: the exact value, or each of the reasons why there is none."""
    read = read_numbers(pa.array(cells), kind, mark)

    found = [(value, read.failures.get(at, ())) for at, value in enumerate(read.values.to_pylist())]
    assert found == [expected_number(cell, kind, mark) for cell in cells]


@pytest.mark.parametrize("kind", ["count", "money"])
def test_a_cell_of_two_million_digits_costs_nothing(kind: str) -> None:
    """What is longer than any number is none, and nobody tries to read it."""
    read = read_numbers(pa.array(["9" * 2_000_000]), kind, ".")

    assert read.failures == {0: ("not_a_number",)}


DAYS = st.dates(date(1890, 1, 1), date(2037, 12, 31))
CLOCKS = st.times()
OFFSETS = st.one_of(
    st.just(""), st.just("Z"),
    st.tuples(st.sampled_from("+-"), st.integers(0, 19), st.sampled_from([0, 30, 45])).map(
        lambda each: f"{each[0]}{each[1]:02}:{each[2]:02}"),
)  # fmt: skip


@st.composite
def written_dates(draw: Any) -> tuple[str, Any]:
    """Draw a date, written in one of the forms that suppliers use, and the instant that it is."""
    day, clock, offset = draw(DAYS), draw(st.one_of(st.none(), CLOCKS)), draw(OFFSETS)
    form = draw(st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y"]))
    text = day.strftime(form) if day.year >= 1000 else ""
    start = datetime(day.year, day.month, day.day)
    if clock is None:
        return text, _instant(start, "")
    digits = draw(st.sampled_from([0, 3, 6]))
    fraction = f"{clock.microsecond:06}"[:digits]
    moment = start + timedelta(
        hours=clock.hour, minutes=clock.minute, seconds=clock.second,
        microseconds=int(fraction.ljust(6, "0")),
    )  # fmt: skip
    text += draw(st.sampled_from("T ")) + moment.strftime("%H:%M:%S")
    text += f".{fraction}" if digits else ""
    return text + offset, _instant(moment, offset)


def _instant(moment: datetime, offset: str) -> datetime | None:
    """The instant of a local time, or one with an offset; none before 1900."""
    if moment.year < 1900:
        return None
    if not offset:
        return moment.replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    if offset == "Z":
        return moment.replace(tzinfo=UTC)
    hours, minutes = int(offset[1:3]), int(offset[4:])
    ahead = timedelta(hours=hours, minutes=minutes)
    if ahead > timedelta(hours=18):
        return None
    return moment.replace(tzinfo=timezone(ahead if offset[0] == "+" else -ahead)).astimezone(UTC)


@searched
@given(st.lists(written_dates(), min_size=1, max_size=8, unique_by=lambda each: each[0]))
@example([("1985-04-20 00:30:00", datetime(1985, 4, 19, 22, 30, tzinfo=UTC))])
@example([("2015-03-29 03:30:00", datetime(2015, 3, 29, 1, 30, tzinfo=UTC))])  # left out
@example([("2015-11-08 03:30:00", datetime(2015, 11, 8, 0, 30, tzinfo=UTC))])
def test_a_date_is_what_the_calendar_says(written: list[tuple[str, Any]]) -> None:
    """In each form, with each offset, through each change of the clocks: instant and business day.

    It fails, too, where Arrow's time zones are not Python's (a database in the `slim` form).
    """
    cells = [text for text, _ in written]

    read = read_instants(pa.array(cells), "dmy", ZONE)

    assert read.values.to_pylist() == [instant for _, instant in written]
    assert [read.failures.get(at, ()) == () for at in range(len(cells))] == [
        instant is not None for _, instant in written
    ]
    assert business_days(read.values, ZONE).to_pylist() == [
        None if instant is None else instant.astimezone(ZoneInfo(ZONE)).date()
        for _, instant in written
    ]


@searched
@given(st.lists(st.text("0123459/-.:TZ+ ", min_size=1, max_size=26), min_size=1, unique=True))
@example(["2021-02-29", "2020-02-29", "1900-02-29", "2000-02-29", "2021-04-31", "8999-12-31"])
@example(
    ["9999-12-31", "9999-12-31T23:59:59-18:00", "1899-12-31", "0000-00-00", "2021-02-28T24:00:00"]
)
def test_read_at_once_or_one_by_one_is_the_same(cells: list[str]) -> None:
    """What Arrow reads of a column is what is read of each cell by itself."""
    read = read_instants(pa.array(cells), "mdy", ZONE)

    found = [(value, read.failures.get(at, ())) for at, value in enumerate(read.values.to_pylist())]
    assert found == [read_instant(cell, "mdy", ZONE) for cell in cells]


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("[A, B]", ["A", "B"]),
        ("A,B", ["A", "B"]),
        ("['A', 'B C']", ["A", "B C"]),
        ('["A", "B"]', ["A", "B"]),
        ("{A}", ["A"]),
        ("[]", []),
        ("[ ' A' ,, \"B\" ]", ["A", "B"]),
        ("[A\u200b,\u00a0B\n, \u2060]", ["A", "B"]),
        ("KADIN", ["KADIN"]),
        ("[A" + " " * 1_000_000 + "B]", ["A" + " " * 1_000_000 + "B"]),
        ("A" + "," * 1_000_000 + "B", ["A", "B"]),
    ],
)
def test_a_list_is_read_in_each_form(cell: str, items: list[str]) -> None:
    """Brackets and quotes fall off, and what nobody sees at the ends of an item; none is empty."""
    assert read_lists(pa.array(["[x]", cell, "[]"]).slice(1)).values.to_pylist() == [items, []]


def test_a_cell_that_is_no_date_is_not_kept() -> None:
    """A cache of dates holds dates and what is about as long, not whatever a supplier sends."""
    read_instants(pa.array([f"{at}" + "x" * 20_000 for at in range(100)]), "dmy", ZONE)
    before = _read_instant.cache_info().currsize

    read_instants(pa.array([f"{at}" + "y" * 20_000 for at in range(100)]), "dmy", ZONE)

    assert _read_instant.cache_info().currsize == before
