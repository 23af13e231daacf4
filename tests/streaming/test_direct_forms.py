"""The short ways of typing, for cells in the forms that Spark itself reads."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from lake.contract import load_contract
from lake.settings import Settings
from streaming.casts import type_columns
from streaming.notation import PLAIN_DATE, PLAIN_NUMBER

CONTRACT = load_contract(Settings().contract)
DATE_COLUMNS = CONTRACT.of_type("date", "check")
NUMBER_COLUMNS = CONTRACT.of_type("count", "money")
PLAIN_NUMBERS = ["0", "0.00", "4.0", "12.5", "1.25", "999999999999.99", "007", "1234", "0.1"]
PLAIN_DATES = [
    "2021-02-28",
    "2021-02-30",
    "1899-12-31",
    "1900-01-01",
    "9999-12-31",
    "2021-02-28T20:59:59.999Z",
    "2021-02-28T21:00:00.000Z",
    "2021-02-28T23:59:59.999+03:00",
    "2021-02-28T24:00:00.000+03:00",
    "2021-02-28T23:59:60.000+03:00",
    "2016-09-07T23:30:00.25+02:00",
    "1900-01-01T00:30:00.000+03:00",
    "1899-12-31T23:30:00.000-02:00",
    "1968-12-31T22:30:00.000001Z",
    "2021-13-01T10:00:00.000Z",
]
OTHER_DATES = [
    "2021-2-3",
    "2021-02-28T9:05:00.000Z",
    "2016-09-07T23:30:00,25 +02:00",
    "1968-12-31T22:30:00.000000001Z",
    "2021",
    "n/a",
]


@pytest.mark.parametrize("plain", [True, False], ids=["all plain", "ISO and what is no date"])
def test_cells_are_typed_alike_by_each_way(spark: SparkSession, plain: bool) -> None:
    """Plain numbers and ISO dates get the values, to the type, that the way for all forms gives."""
    dates = [None, *PLAIN_DATES, *([] if plain else OTHER_DATES)]
    numbers = [None, *PLAIN_NUMBERS]
    assert all(re.match(PLAIN_NUMBER, each) for each in PLAIN_NUMBERS)
    assert all(re.match(PLAIN_DATE, each) for each in PLAIN_DATES)
    assert not any(re.match(PLAIN_DATE, each) for each in OTHER_DATES)
    rows = [
        dict.fromkeys(DATE_COLUMNS, dates[at % len(dates)])
        | dict.fromkeys(NUMBER_COLUMNS, numbers[at % len(numbers)])
        | {"row_no": at, "date_order": "dmy"}
        | {"first_seen_at": datetime(2021, 12, 20, 21, 30, tzinfo=UTC)}
        | {"decimal_marks": dict.fromkeys(NUMBER_COLUMNS, ".")}
        for at in range(max(len(dates), len(numbers)))
    ]
    texts = ", ".join(f"{name} STRING" for name in CONTRACT.columns)
    schema = (
        "row_no INT, first_seen_at TIMESTAMP, date_order STRING, decimal_marks MAP<STRING,STRING>"
    )
    staged = spark.createDataFrame(rows, f"{schema}, {texts}").coalesce(1)
    wanted = ["row_no", *DATE_COLUMNS, *NUMBER_COLUMNS, "last_order_at", "drop_day"]
    wanted += [f"{each}_{name}" for name in NUMBER_COLUMNS for each in ("is_number", "number")]
    direct = frozenset(DATE_COLUMNS)
    short = frozenset(NUMBER_COLUMNS) | (direct if plain else frozenset())

    by_all, by_short = (
        type_columns(staged, CONTRACT, *ways).select(*wanted).orderBy("row_no")
        for ways in ((), (direct, short))
    )

    assert_df_equality(by_short, by_all, ignore_nullable=True)
    assert by_short.where("last_order_at IS NOT NULL").count() >= 8


ITEMS = ("A", "B C", "'", '"', " ", ",", "[", "]", "(", ")", "{", "}")


def read_list(text: str) -> list[str]:
    """Read a list item by item: brackets off, apart at commas, each without blanks and quotes."""
    inner = re.sub(r"^[\[{(]|[\]})]$", "", text)
    items = (re.sub(r"^['\"]|['\"]$", "", item.strip(" ")) for item in inner.split(","))
    return [item for item in items if item]


def test_lists_are_read_item_by_item(spark: SparkSession) -> None:
    """The patterns for all items at once part any text as one would, and a long one in no time."""
    chance = random.Random(12)
    texts = {"".join(chance.choices(ITEMS, k=chance.randint(1, 9))).strip(" ") for _ in range(9000)}
    texts |= {f"[A{' ' * 300_000}B]", f"['A'{' ' * 300_000}]", f"[{', ' * 9_000}]"}
    known = [{"row_no": at, "interested_in_categories_12": each} for at, each in enumerate(texts)]
    marks = "first_seen_at TIMESTAMP, date_order STRING, decimal_marks MAP<STRING,STRING>"
    columns = ", ".join(f"{name} STRING" for name in CONTRACT.columns)
    staged = spark.createDataFrame(known, f"row_no INT, {marks}, {columns}").coalesce(1)
    typed = type_columns(staged, CONTRACT, frozenset(DATE_COLUMNS), frozenset(CONTRACT.columns))

    found = typed.select("text_interested_in_categories_12", "interested_in_categories_12")
    for text, items in found.collect():
        assert items == read_list(text), text[:40]
