"""The segments, against pandas: by value, by rank, and where pandas gives up."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from batch.segments import (
    SEGMENTS,
    _positions,
    compute_segments,
    read_day,
    segment_customers,
    summarise_segments,
)
from lake.errors import NotFoundError
from lake.settings import Settings
from lake.tables import CUSTOMER_SEGMENTS, FEATURES, ON_DEMAND, TABLES, table_path

DAY = date(2021, 6, 1)
Customer = dict[str, Any]
_READ = (
    "master_id STRING, last_order_date DATE, order_num_total BIGINT, "
    "customer_value_total DECIMAL(18,2), drop_time TIMESTAMP, row_no BIGINT"
)


def customers(count: int, seed: int, *, days: int, cents: int, orders: int) -> list[Customer]:
    """Invent customers; the smaller the ranges, the more of them are alike."""
    random = Random(seed)
    return [
        {
            "master_id": f"c{random.randrange(10**6):06d}-{number}",
            "last_order_date": DAY - timedelta(days=random.randrange(days)),
            "order_num_total": 1 + random.randrange(orders),
            "customer_value_total": Decimal(random.randrange(cents)) / 100,
            "drop_time": datetime(2021, 5, 1 + random.randrange(3)),
            # Two drops of one time may both have a row of this number.
            "row_no": random.randrange(count),
        }
        for number in range(count)
    ]


def frame_of(spark: SparkSession, rows: list[Customer]) -> DataFrame:
    """Give Spark the columns of the features that segments are made of, in no good order."""
    names = _READ.split(", ")
    values = [tuple(row[name.split()[0]] for name in names) for row in rows]
    return spark.createDataFrame(values, _READ).repartition(3)


def expect(rows: list[Customer]) -> dict[str, tuple[Any, ...]]:
    """Segment with pandas, as the published analysis does."""
    table = pd.DataFrame(rows).sort_values(["drop_time", "row_no", "master_id"])
    table["recency"] = [
        np.nan if day is None else (DAY - day).days for day in table["last_order_date"]
    ]
    table["recency_score"] = 6 - quintiles(table["recency"])
    table["frequency_score"] = quintiles(table["order_num_total"].rank(method="first"))
    table["monetary_score"] = quintiles(table["customer_value_total"].astype(float))
    found = {}
    for row in table.to_dict("records"):
        scores = [row["recency_score"], row["frequency_score"], row["monetary_score"]]
        known = [None if pd.isna(score) else int(score) for score in scores]
        both = None if None in known[:2] else f"{known[0]}{known[1]}"
        found[row["master_id"]] = (*known, both, both and name_of(both))
    return found


def quintiles(values: pd.Series) -> pd.Series:
    """Score 1 to 5 by `qcut`; where it refuses values, by their edges."""
    try:
        return pd.qcut(values, 5, labels=[1, 2, 3, 4, 5]).astype(float)
    except ValueError:
        edges = np.nanquantile(values, [0.2, 0.4, 0.6, 0.8])
        return values.map(lambda value: 1 + (edges < value).sum(), na_action="ignore")


def name_of(both: str) -> str:
    """Name a segment by the issue's own table."""
    table = {
        r"[1-2][1-2]": "hibernating",
        r"[1-2][3-4]": "at_Risk",
        r"[1-2]5": "cant_loose",
        r"3[1-2]": "about_to_sleep",
        r"33": "need_attention",
        r"[3-4][4-5]": "loyal_customers",
        r"41": "promising",
        r"51": "new_customers",
        r"[4-5][2-3]": "potential_loyalists",
        r"5[4-5]": "champions",
    }
    return str(pd.Series([both]).replace(table, regex=True)[0])


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=60))
def test_comparing_with_five_values_is_what_qcut_does(values: list[int]) -> None:
    """Above an interpolated edge is above the value at or below it: no edge need be computed."""
    series = pd.Series(values, dtype=float)
    try:
        expected = pd.qcut(series, 5, labels=[1, 2, 3, 4, 5]).astype(int).tolist()
    except ValueError:
        assume(False)
    below = [sorted(values)[at] for at in _positions(len(values))]

    assert [1 + sum(value > edge for edge in below) for value in values] == expected


def test_each_pair_of_scores_has_one_segment() -> None:
    """Of the 25 pairs of recency and frequency each matches one pattern, in the issue's words."""
    for recency in "12345":
        for frequency in "12345":
            pair = recency + frequency
            named = [name for name, pattern in SEGMENTS if re.fullmatch(pattern, pair)]
            assert named == [name_of(pair)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(customers(611, 1, days=400, cents=10**6, orders=30), id="qcut"),
        pytest.param(customers(202, 2, days=3, cents=4, orders=2), id="alike"),
        pytest.param(customers(12, 3, days=1, cents=1, orders=1), id="equal"),
        pytest.param(customers(1, 4, days=9, cents=9, orders=9), id="one"),
        pytest.param(
            [
                {**row, "last_order_date": None if at % 7 == 0 else row["last_order_date"]}
                for at, row in enumerate(customers(71, 5, days=60, cents=9999, orders=9))
            ],
            id="unknown",
        ),
    ],
)
def test_scores_and_segments_are_those_of_pandas(spark: SparkSession, rows: list[Customer]) -> None:
    """Every customer has the scores that `qcut` gives; equal values never have two scores."""
    found = segment_customers(frame_of(spark, rows), DAY).collect()

    names = ("recency_score", "frequency_score", "monetary_score", "rf_score", "segment")
    assert {row["master_id"]: tuple(row[name] for name in names) for row in found} == expect(rows)
    by_id = {row["master_id"]: row for row in rows}
    for row in found:
        own = by_id[row["master_id"]]
        day = own["last_order_date"]
        assert row["recency"] == (None if day is None else (DAY - day).days)
        assert row["frequency"] == own["order_num_total"]
        assert row["monetary"] == own["customer_value_total"]


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Settings:
    """Provide an empty table of features."""
    settings = Settings(fs="file://", root=str(tmp_path))
    empty = spark.createDataFrame([], TABLES[FEATURES].schema)
    empty.write.format("delta").save(table_path(settings, FEATURES))
    return settings


def add(spark: SparkSession, settings: Settings, rows: list[Customer]) -> None:
    """Append customers to the features."""
    frame_of(spark, rows).write.format("delta").mode("append").save(table_path(settings, FEATURES))


def test_a_run_replaces_the_table_whole(
    spark: SparkSession, lake: Settings, tmp_path: Path
) -> None:
    """The first run makes the table, each later one replaces it in one commit; no id is in a log.

    By default recency counts back from two days after the newest order.
    """
    rows = customers(9, 6, days=50, cents=999, orders=5)
    add(spark, lake, rows)
    newest_day = max(row["last_order_date"] for row in rows)

    first = compute_segments(spark, lake)
    second = compute_segments(spark, lake, DAY - timedelta(days=40))

    assert (first.day, first.is_first) == (newest_day + timedelta(days=2), True)
    assert (second.day, second.is_first) == (DAY - timedelta(days=40), False)
    assert read_day(spark, lake) == second.day
    table = spark.read.format("delta").load(table_path(lake, CUSTOMER_SEGMENTS))
    assert table.columns == ON_DEMAND[CUSTOMER_SEGMENTS].column_names
    assert table.count() == 9
    assert table.where("recency < 0").count() > 0
    commits = list((tmp_path / "tables" / CUSTOMER_SEGMENTS / "_delta_log").glob("*.json"))
    assert len(commits) == 2
    said = "".join(commit.read_text("utf-8") for commit in commits)
    assert not any(row["master_id"] in said for row in rows)


def test_the_summary_is_exact(spark: SparkSession) -> None:
    """Counts and averages are those of the segment's customers; segments have a fixed order."""
    rows = customers(90, 7, days=90, cents=10**7, orders=9)
    segmented = segment_customers(frame_of(spark, rows), DAY)

    summary = summarise_segments(segmented).collect()

    table = segmented.toPandas()
    order = [name for name, _ in SEGMENTS]
    assert [row["segment"] for row in summary] == [n for n in order if n in set(table["segment"])]
    for row in summary:
        own = table[table["segment"] == row["segment"]]
        assert row["customers"] == len(own)
        assert row["total_monetary"] == own["monetary"].sum()
        assert row["avg_monetary"] == pytest.approx(float(own["monetary"].sum()) / len(own))
        assert row["avg_recency"] == pytest.approx(own["recency"].mean())
        assert row["avg_frequency"] == pytest.approx(own["frequency"].mean())


def test_without_customers_the_remedy_is_named(
    spark: SparkSession, lake: Settings, tmp_path: Path
) -> None:
    """Nothing to segment is said with what to do about it; no table is made."""
    with pytest.raises(NotFoundError, match="flo drop"):
        compute_segments(spark, lake)
    with pytest.raises(NotFoundError, match="flo init"):
        compute_segments(spark, Settings(fs="file://", root=str(tmp_path / "none")))
    assert not (tmp_path / "tables" / CUSTOMER_SEGMENTS).exists()
