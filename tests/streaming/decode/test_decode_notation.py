"""The patterns that the decoder and the stream share."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.notation import DATE_DMY, DATE_YMD, NUMBER_COMMA, NUMBER_POINT, TIME_PART

PATTERNS = (NUMBER_POINT, NUMBER_COMMA, DATE_YMD, DATE_DMY)


@pytest.mark.parametrize(
    ("cell", "point", "comma"),
    [
        ("4", True, True),
        ("-4", True, True),
        ("4.0", True, False),
        ("4,0", False, True),
        ("+12.50", True, False),
        (".5", True, False),
        (",5", False, True),
        ("5.", True, False),
        ("1.234", True, True),
        ("1,234", True, True),
        ("1,234.56", True, False),
        ("1.234,56", False, True),
        ("1.234.567", False, True),
        ("1,234,567.8", True, False),
        ("0.500", True, False),
        ("0,500", False, True),
        ("1234,567.8", False, False),
        ("12,34", False, True),
        ("1,23,456.7", False, False),
        ("1E+05", True, True),
        ("1.5e-3", True, False),
        ("1E+0005", False, False),
        ("1.2.3", False, False),
        ("", False, False),
        ("-", False, False),
        (".", False, False),
        ("1 000", False, False),
        ("12 TL", False, False),
        ("NaN", False, False),
        ("٣", False, False),
    ],
)
def test_a_number_has_one_mark_and_groups_of_three(cell, point, comma):
    """A thousands mark stands only between groups of exactly three digits."""
    assert bool(re.match(NUMBER_POINT, cell)) is point
    assert bool(re.match(NUMBER_COMMA, cell)) is comma


@pytest.mark.parametrize(
    ("cell", "pattern", "groups"),
    [
        ("2021-02-26", DATE_YMD, ("2021", "02", "26", None, None, None, None, None)),
        ("2021/2/6", DATE_YMD, ("2021", "2", "6", None, None, None, None, None)),
        ("26.02.21", DATE_DMY, ("26", "02", "21", None, None, None, None, None)),
        ("26/2/2021 9:07", DATE_DMY, ("26", "2", "2021", "9", "07", None, None, None)),
        (
            "2021-05-05T21:07:02.000+03:00",
            DATE_YMD,
            ("2021", "05", "05", "21", "07", "02", "000", "+03:00"),
        ),
        ("2021-05-05 21:07:02Z", DATE_YMD, ("2021", "05", "05", "21", "07", "02", None, "Z")),
        ("26.02.202", DATE_DMY, None),
        ("2021-02", DATE_YMD, None),
        ("2021-02-26T", DATE_YMD, None),
        ("2021-02-26 and more", DATE_YMD, None),
    ],
)
def test_a_date_shows_its_parts(cell, pattern, groups):
    """The groups of a date are its numbers, then those of its time."""
    match = re.match(pattern, cell)

    assert (match and match.groups()) == groups


def test_the_time_part_can_be_used_by_itself():
    """The time part has five groups wherever it stands."""
    assert re.compile(TIME_PART).groups == 5


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.text("0123 .,/-+:TZe", max_size=12), min_size=1, max_size=20))
def test_both_engines_agree(cells):
    """What gathers evidence in bulk matches exactly what Python matches."""
    for pattern in PATTERNS:
        bulk = pc.match_substring_regex(pa.array(cells), pattern).to_pylist()
        assert bulk == [re.search(pattern, cell) is not None for cell in cells]


def test_nothing_in_the_patterns_is_peculiar_to_one_engine():
    """No look-around, no classes of characters that depend on the engine or its locale."""
    for pattern in PATTERNS:
        assert not re.search(r"\(\?[^:]|\\[a-zA-Z]", pattern)
