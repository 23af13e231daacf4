"""The upsert: from a batch's accepted rows to one commit on ``customer_features``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import carrying
from lake.contract import Contract
from lake.features_writer import OLD, FeaturesWriter, Sizes, placed, with_old
from lake.sizing import compiling
from lake.statements import ask
from streaming.features import complete
from streaming.order import find_steps, fold_snapshots, see_stored

OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded")


@dataclass(frozen=True)
class Upsert:
    """What a batch does to the features.

    Attributes:
        outcomes: per ``drop_id``, how many rows were inserted, updated, unchanged, stale and
            superseded.
        rows: the feature rows to write, each with the ``old`` one, if there is one; what they come
            from is persisted until ``release``.
        sizes: of these rows.
    """

    outcomes: Mapping[str, Counter[str]]
    rows: DataFrame
    sizes: Sizes
    release: Callable[[], None]


def plan_upsert(
    spark: SparkSession,
    contract: Contract,
    accepted: DataFrame,
    now: datetime,
    features: DataFrame,
    *,
    one_drop: bool = False,
    none_stored: bool = False,
    kept: StorageLevel = StorageLevel.MEMORY_AND_DISK,
) -> Upsert:
    """Work out what the accepted rows change, and how each of them counts.

    Args:
        spark: the session of the batch.
        contract: the order rule's leading column and the optional columns.
        accepted: this batch's rows of ``customer_snapshots``, already written there.
        now: ``updated_at`` of the rows whose values change.
        features: the customers as they are.
        one_drop: all rows are of the same drop; the result is the same without.
        none_stored: there are no customers yet; the result is the same without.
        kept: where the plan's rows are until they are written.
    """
    stored = placed(features)
    if none_stored:
        stored = stored.where("false")
        if not _has_repeated(accepted):
            return _insert(accepted, stored, contract, now)
    # By customer from here on, so that nothing has to be moved again.
    candidates = fold_snapshots(accepted.repartition("master_id"), contract, "drop_id")
    stored = stored.join(accepted.select("master_id"), "master_id", "left_semi")
    # Both lie by customer already; to broadcast whole rows would be one job more.
    stored = _see(stored.repartition("master_id"), contract).hint("merge")
    with compiling(spark):
        steps = find_steps(candidates, stored, contract, one_each=one_drop).persist(kept)
    counts = _count(steps)

    def release() -> None:
        steps.unpersist()

    sizes = Sizes(counts.writes[False], counts.writes[True], counts.files)
    return Upsert(counts.outcomes, _changed(steps, now), sizes, release)


def _insert(accepted: DataFrame, none: DataFrame, contract: Contract, now: datetime) -> Upsert:
    """Plan the first customers of all, none of whom occurs twice: what each is, is known."""
    counted = accepted.groupBy("drop_id").count().collect()
    outcomes = {row["drop_id"]: Counter(inserted=row["count"]) for row in counted}
    candidates = fold_snapshots(accepted, contract, "drop_id", unique=True)
    steps = find_steps(candidates, _see(none, contract), contract, one_each=True)
    sizes = Sizes(sum(row["count"] for row in counted), 0, ())
    return Upsert(outcomes, _changed(steps, now), sizes, lambda: None)


def _has_repeated(accepted: DataFrame) -> bool:
    """Tell whether a customer occurs twice, by the key alone."""
    return not accepted.groupBy("master_id").count().where("count > 1").isEmpty()


def _see(stored: DataFrame, contract: Contract) -> DataFrame:
    return see_stored(with_old(stored), contract, OLD)


def write_upsert(
    spark: SparkSession, features: FeaturesWriter, upsert: Upsert, metadata: str
) -> int:
    """Write the feature rows in one commit that carries ``metadata``, and return its version.

    Args:
        spark: the session of the batch.
        features: begun before the plan was made; where there is nothing to write, the version is
            the one that it began at.
        upsert: the plan.
        metadata: the accounts of the batch.

    Raises:
        OvertakenError: the customers are others by now than the plan has seen, or lie elsewhere
            (a compaction); a new plan is needed.
    """
    if upsert.sizes.rows == 0:
        return features.version
    with carrying(spark, metadata):
        return features.commit(upsert.rows, upsert.sizes)


@dataclass(frozen=True)
class _Counts:
    """What a plan comes to.

    Attributes:
        outcomes: rows per drop and outcome, ``superseded`` ones too.
        writes: rows to write, by whether the customer exists.
        files: those in which the rows lie that are replaced.
    """

    outcomes: dict[str, Counter[str]]
    writes: Counter[bool]
    files: set[str]


def _count(steps: DataFrame) -> _Counts:
    found = _Counts({}, Counter(), set())
    counted = ask(
        steps.sparkSession,
        """
        SELECT drop_id, outcome, old IS NOT NULL AS existed, count(*) AS rows,
            sum(rows) - count(*) AS superseded, count_if(writes) AS writes,
            collect_set(IF(writes, old.file, NULL)) AS files
        FROM {steps} GROUP BY ALL
        """,
        steps=steps,
    )
    for row in counted.collect():
        of_drop = found.outcomes.setdefault(row["drop_id"], Counter())
        of_drop[row["outcome"]] += row["rows"]
        of_drop["superseded"] += row["superseded"]
        found.writes[row["existed"]] += row["writes"]
        found.files.update(row["files"])
    return found


def _changed(steps: DataFrame, now: datetime) -> DataFrame:
    """Turn the last step of each customer whose winner or values changed into a feature row."""
    # A row whose values stay keeps its time of change.
    updated_at = F.when(F.col("touched"), F.lit(now)).otherwise(F.col("old.values.updated_at"))
    columns = "master_id", "state.business.*", "state.source.*", updated_at.alias("updated_at"), OLD
    return complete(steps.where("writes").select(*columns), OLD)
