"""Whether the tables equal a recomputation: by the order rule alone, never by a shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.verification.archive_reading import CHECK as ARCHIVE
from batch.verification.archive_reading import (
    NEWER_DECODER,
    ArchiveReading,
    kept_columns,
    read_archive,
)
from batch.verification.differences import Difference, compare_rows, count_findings, find
from batch.verification.kpi_checks import check_kpis
from batch.verification.ledger_checks import check_ledger
from batch.verification.recompute import recompute_features
from checkpoints.consistent_view import ConsistentView, read_consistent_view
from lake.contract import Contract, load_contract
from lake.local_rows import local_frame
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS
from streaming.decode import DECODER_VERSION

_ROW_KEY = ("drop_id", "row_no")


@dataclass(frozen=True)
class Verification:
    """What came of a verification.

    Attributes:
        differences: none where all is well.
        compared: how many rows were compared, by table.
        notes: what could not be compared, or what to know beside it.
        files: how many archived files were read; None where that was not asked for.
    """

    differences: tuple[Difference, ...]
    compared: Mapping[str, int]
    notes: tuple[str, ...]
    files: int | None = None

    def __str__(self) -> str:
        """Sum it up in a sentence."""
        found = len(self.differences)
        kinds = f"{found} kinds of difference" if found > 1 else "1 kind of difference"
        rows = ", ".join(f"{count:,} of {name}" for name, count in self.compared.items() if count)
        files = "" if self.files is None else f"; archived files read: {self.files:,}"
        return f"{kinds if found else 'No difference'}; rows compared: {rows or 'none'}{files}."


def verify(spark: SparkSession, settings: Settings, *, from_archive: bool = False) -> Verification:
    """Compare every table with what it must be (see :mod:`checkpoints.consistent_view`).

    - ``features``: the features are the order rule applied to all snapshots of ingested drops;
      no customer is there twice.
    - ``ledger``: its sums are those of the tables.
    - ``kpis``: the KPI tables are what the features give at the version that they name.
    - ``archive``, if asked for: snapshots, quarantine and features are what the archived files
      say, each by the contract that judged it when it came.

    Nothing is locked: a stream may run meanwhile.

    Raises:
        NotFoundError: there are no tables yet.

    Example:
        >>> print(verify(spark, settings))
        No difference; rows compared: 60 of customer_features, 154 of customer_snapshots, …
    """
    contract = load_contract(settings.contract)
    view = read_consistent_view(spark, settings)
    differences = count_findings([*check_features(view, contract), *check_ledger(view)])
    notes = [_tell_unrecorded(view)] if view.unrecorded.drops else []
    kpis = check_kpis(spark, settings)
    compared = {**_count_rows(view), **kpis.rows}
    differences += kpis.differences
    notes += kpis.notes
    files = None
    if from_archive:
        with read_archive(spark, settings, contract, view.ledger) as reading:
            differences += check_archive(view, reading, contract)
            files = reading.files
    return Verification(tuple(differences), compared, tuple(notes), files)


def check_features(view: ConsistentView, contract: Contract) -> list[DataFrame]:
    """Compare the features with the rule applied to the snapshots; findings."""
    expected = recompute_features(view.snapshots, view.ledger, contract)
    copies = view.features.groupBy("master_id").agg(
        F.count(F.lit(1)).alias("n"), F.min("drop_id").alias("drop_id")
    )
    repeated = copies.where("n > 1 OR master_id IS NULL")
    what = F.when(F.col("master_id").isNull(), "master_id missing").otherwise("master_id repeated")
    return [
        compare_rows(expected, view.features, ["master_id"], "features", FEATURES),
        find(repeated, "features", FEATURES, what, F.col("n")),
    ]


def check_archive(
    view: ConsistentView, reading: ArchiveReading, contract: Contract
) -> list[Difference]:
    """Compare snapshots, quarantine and features with what was read from the archive.

    A drop whose file could not be read is one difference; its rows are taken as they are, so
    that they do not hide what else there is.
    """
    stored = {SNAPSHOTS: view.snapshots, QUARANTINE: view.quarantine}
    read = {SNAPSHOTS: reading.snapshots, QUARANTINE: reading.quarantine}
    spark, ids = view.ledger.sparkSession, sorted({*reading.unread, *view.unrecorded.begun_drops})
    unread = F.broadcast(local_frame(spark, [(each,) for each in ids], "drop_id STRING"))
    findings = [
        compare_rows(
            frame.join(unread, "drop_id", "left_anti").select(*kept_columns(name)),
            stored[name].join(unread, "drop_id", "left_anti"),
            _ROW_KEY,
            ARCHIVE,
            name,
        )
        for name, frame in read.items()
    ]
    believed = view.snapshots.join(unread, "drop_id", "left_semi").select(*kept_columns(SNAPSHOTS))
    whole = reading.snapshots.unionByName(believed)
    expected = recompute_features(whole, view.ledger, contract)
    findings.append(compare_rows(expected, view.features, ["master_id"], ARCHIVE, FEATURES))
    named = _name_newer_decoder(view.ledger, reduce(DataFrame.unionByName, findings))
    return [*reading.differences, *count_findings([named])]


def _name_newer_decoder(ledger: DataFrame, findings: DataFrame) -> DataFrame:
    """Say of a difference whose drop was decoded by earlier rules that newer ones say otherwise."""
    of_drop = ledger.where("rows_read > 0").groupBy(F.substring("drop_id", 1, 12).alias("drop"))
    version = of_drop.agg(F.max_by("decoder_version", "finished_at").alias("version"))
    earlier = version.select(
        "drop", (F.coalesce("version", F.lit(0)) < DECODER_VERSION).alias("earlier")
    )
    found = findings.join(F.broadcast(earlier), "drop", "left")
    named = F.concat(F.lit(NEWER_DECODER), F.col("what"))
    what = F.when(F.col("earlier"), named).otherwise(F.col("what"))
    return found.withColumn("what", what).select(*findings.columns)


def _count_rows(view: ConsistentView) -> dict[str, int]:
    tables = {
        FEATURES: view.features,
        SNAPSHOTS: view.snapshots,
        QUARANTINE: view.quarantine,
        LEDGER: view.ledger,
    }
    counts = [
        frame.agg(F.lit(name).alias("name"), F.count(F.lit(1)).alias("rows"))
        for name, frame in tables.items()
    ]
    return {row["name"]: row["rows"] for row in reduce(DataFrame.unionByName, counts).collect()}


def _tell_unrecorded(view: ConsistentView) -> str:
    drops = view.unrecorded.drops
    named = ", ".join(sorted(each[:12] for each in drops)[:3])
    return (
        f"Drops of batches that are not done: {len(drops)}, such as {named}. They count if they "
        "are in the features, and are left out if not; the next `flo stream` ends such a batch."
    )
