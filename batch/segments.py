"""Segments of customers by recency and frequency (RFM), as the table ``customer_segments``.

Scores are quintiles as pandas' ``qcut`` makes them, without moving a customer to the driver: of
each measure Spark finds four customers' values, and compares all others with those.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lake.conflicts import retry_conflicts
from lake.delta import has_table, read_table, require_table, table_version
from lake.errors import NotFoundError
from lake.settings import Settings
from lake.tables import CUSTOMER_SEGMENTS, FEATURES, ON_DEMAND, properties_of, table_path

# By recency score and frequency score, in the spelling of the published analysis.
SEGMENTS = (
    ("champions", "5[4-5]"),
    ("loyal_customers", "[3-4][4-5]"),
    ("potential_loyalists", "[4-5][2-3]"),
    ("new_customers", "51"),
    ("promising", "41"),
    ("need_attention", "33"),
    ("about_to_sleep", "3[1-2]"),
    ("cant_loose", "[1-2]5"),
    ("at_Risk", "[1-2][3-4]"),
    ("hibernating", "[1-2][1-2]"),
)

SUMMARY = (
    "segment",
    "customers",
    "avg_recency",
    "avg_frequency",
    "avg_monetary",
    "total_monetary",
)

# So long after the newest order the published analysis looks back.
_LATER = timedelta(days=2)
_NOTE = "flo_segments"


@dataclass(frozen=True)
class SegmentRun:
    """What a run did.

    Attributes:
        features_version: which features the segments are of.
        day: what recency counts back from.
        newest: the newest ``last_order_date``.
        is_first: whether the table was made by it.
    """

    features_version: int
    day: date
    newest: date
    is_first: bool


def compute_segments(
    spark: SparkSession, settings: Settings, day: date | None = None
) -> SegmentRun:
    """Compute the segments of all customers and replace the table by them, in one commit.

    Args:
        spark: the session.
        settings: where the tables are.
        day: what recency counts back from; by default two days after the newest
            ``last_order_date``.

    Raises:
        NotFoundError: there are no features, or no customer in them has a ``last_order_date``.
        TransientError: other runs kept replacing the table.
    """
    require_table(spark, settings, FEATURES)
    version = table_version(spark, settings, FEATURES)
    features = read_table(spark, settings, FEATURES, version)
    newest = features.agg(F.max("last_order_date").alias("newest")).collect()[0]["newest"]
    if newest is None:
        raise NotFoundError(
            f"No customer in {FEATURES} has a last_order_date, so there is nothing to segment; "
            "take in a drop first (`flo drop FILE`)."
        )
    day = day or newest + _LATER
    is_first = not has_table(spark, settings, CUSTOMER_SEGMENTS)
    frame = segment_customers(features, day)
    retry_conflicts(lambda: _replace(settings, frame, version, day), CUSTOMER_SEGMENTS)
    return SegmentRun(version, day, newest, is_first)


def segment_customers(features: DataFrame, day: date) -> DataFrame:
    """Score and segment each customer.

    - ``recency`` is the days from ``last_order_date`` to ``day`` (below 0 for one that ordered
      later), ``frequency`` is ``order_num_total``, ``monetary`` is ``customer_value_total``.
    - Each score is a quintile, 1 to 5: of recency by its value, 5 for the most recent; of
      frequency by its rank, where equal ones keep the order of ``(drop_time, row_no)``, then of
      ``master_id``; of monetary by its value.
    - Equal values have equal scores. Where they are so many that two edges meet, a score between
      is left out (``qcut`` would refuse such values): all equal, and all have the first score.
    - A customer without ``last_order_date`` has no recency, no ``rf_score`` and no segment.

    Args:
        features: rows of ``customer_features``.
        day: what recency counts back from.

    Returns:
        The columns of ``customer_segments``.

    Example:
        >>> segment_customers(features, date(2021, 6, 1)).groupBy("segment").count().show()
    """
    measured = features.select(
        "master_id",
        F.date_diff(F.lit(day), "last_order_date").alias("recency"),
        F.col("order_num_total").alias("frequency"),
        F.col("customer_value_total").alias("monetary"),
        "drop_time",
        "row_no",
    )
    sizes = measured.agg(F.count("recency"), F.count(F.lit(1))).collect()[0]
    with_recency, everybody = _positions(sizes[0]), _positions(sizes[1])
    recencies = _find_values(measured, "recency", with_recency)
    amounts = _find_values(measured, "monetary", everybody)
    scored = (
        measured.transform(_rank_frequencies)
        .select(
            "master_id",
            "recency",
            "frequency",
            "monetary",
            (6 - _score("recency", recencies)).alias("recency_score"),
            _score("rank", [position + 1 for position in everybody]).alias("frequency_score"),
            _score("monetary", amounts).alias("monetary_score"),
        )
        .withColumn("rf_score", _join_scores("recency_score", "frequency_score"))
    )
    return scored.withColumn("segment", _name_segment(F.col("rf_score"))).select(
        *ON_DEMAND[CUSTOMER_SEGMENTS].column_names
    )


def _positions(size: int) -> list[int]:
    """Give the positions (from 0) of the sorted values at or just below the inner edges.

    An edge of ``qcut`` is at ``k / 5 * (size - 1)``, between two neighbours by interpolation. A
    value is above the edge exactly if it is above the lower neighbour: between the two there is
    no value. So no edge needs to be computed, nor rounded.
    """
    return [k * (size - 1) // 5 for k in range(1, 5)] if size else []


def _find_values(measured: DataFrame, name: str, positions: Sequence[int]) -> list[Any]:
    """Find the values at positions of a column's sorted ones; equal ones are only counted."""
    up_to = Window.partitionBy(F.lit(0)).orderBy("value")
    counts = measured.where(F.col(name).isNotNull()).groupBy(F.col(name).alias("value")).count()
    placed = counts.withColumn("beyond", F.sum("count").over(up_to))
    first = F.col("beyond") - F.col("count")
    found = [
        F.max(F.when((first <= at) & (at < F.col("beyond")), F.col("value"))) for at in positions
    ]
    return list(placed.agg(*found).collect()[0]) if found else []


def _score(name: str, edges: Sequence[Any]) -> Column:
    """Give 1 and one more for each edge that the value is above; NULL of NULL."""
    score = F.when(F.col(name).isNotNull(), 1)
    for edge in edges:
        score = score + (F.col(name) > F.lit(edge)).cast("int")
    return score.cast("int")


def _rank_frequencies(measured: DataFrame) -> DataFrame:
    """Add the rank of each customer's frequency, from 1, as ``rank``.

    Ranking all customers in one window would sort them in one task. Those of one frequency and
    drop are ranked among themselves, after all that come before, who are only counted.
    """
    group = ("frequency", "drop_time")
    in_order = Window.partitionBy(F.lit(0)).orderBy(*group)
    before = (
        measured.groupBy(*group)
        .count()
        .withColumn("before", F.sum("count").over(in_order) - F.col("count"))
        .select(*(F.col(name).alias(f"of_{name}") for name in group), "before")
    )
    own = F.row_number().over(Window.partitionBy(*group).orderBy("row_no", "master_id"))
    same = [F.col(name).eqNullSafe(F.col(f"of_{name}")) for name in group]
    return (
        measured.withColumn("own", own)
        .join(F.broadcast(before), same[0] & same[1], "inner")
        .withColumn("rank", F.col("before") + F.col("own"))
        .select(*measured.columns, "rank")
    )


def _join_scores(*names: str) -> Column:
    return F.concat(*(F.col(name).cast("string") for name in names))


def _name_segment(rf_score: Column) -> Column:
    segment = F.lit(None).cast("string")
    for name, pattern in reversed(SEGMENTS):
        segment = F.when(rf_score.rlike(f"^{pattern}$"), name).otherwise(segment)
    return segment


def _replace(settings: Settings, frame: DataFrame, version: int, day: date) -> None:
    """Replace the table, or make it; the commit says what it is of."""
    note = {"features_version": version, "day": day.isoformat()}
    writer = frame.write.format("delta").mode("overwrite")
    writer = writer.option("userMetadata", json.dumps({_NOTE: note}))
    properties = properties_of(ON_DEMAND[CUSTOMER_SEGMENTS], settings)
    writer = writer.options(overwriteSchema=True, **properties)
    writer.save(table_path(settings, CUSTOMER_SEGMENTS))


def read_day(spark: SparkSession, settings: Settings) -> date | None:
    """Read what recency counts back from; None where no kept commit says it."""
    path = table_path(settings, CUSTOMER_SEGMENTS)
    said = (
        spark.sql(f"DESCRIBE HISTORY delta.`{path}`")
        .where(F.col("userMetadata").contains(_NOTE))
        .orderBy(F.desc("version"))
        .select("userMetadata")
        .first()
    )
    return date.fromisoformat(json.loads(said[0])[_NOTE]["day"]) if said else None


def summarise_segments(segments: DataFrame) -> DataFrame:
    """Count and average each segment, in the order of `SEGMENTS`; see `SUMMARY`."""
    order = {name: place for place, (name, _) in enumerate(SEGMENTS)}
    places = F.create_map(*(F.lit(each) for pair in order.items() for each in pair))
    cents = (F.col("total_monetary") * 100).cast("decimal(38,0)").cast("double")
    return (
        segments.groupBy("segment")
        .agg(
            F.count(F.lit(1)).alias("customers"),
            F.avg("recency").alias("avg_recency"),
            F.avg("frequency").alias("avg_frequency"),
            F.sum("monetary").cast("decimal(38,2)").alias("total_monetary"),
        )
        .withColumn("avg_monetary", cents / (F.col("customers") * 100).cast("double"))
        .orderBy(F.asc_nulls_last(places[F.col("segment")]))
        .select(*SUMMARY)
    )
