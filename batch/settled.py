"""The tables as of one version of the features, though a stream is in the middle of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.cut import read_at, require_tables
from checkpoints.commits import read_commits_after
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, table_path, table_version

_ACCOUNT = ("drop_id", "state", "features_version")


@dataclass(frozen=True)
class Settled:
    """Tables that agree: of the ledger only ``drop_id, state, features_version``."""

    features: DataFrame
    ledger: DataFrame

    def is_ingested(self, drop_id: str) -> bool:
        """Tell whether these bytes are in the tables already."""
        same = (F.col("state") == "ingested") & (F.col("drop_id") == drop_id)
        return not self.ledger.where(same).isEmpty()


def read_settled(spark: SparkSession, settings: Settings) -> Settled:
    """Read features and ledger so that they agree, whatever a stream is doing.

    A batch becomes true with its commit on the features (see :mod:`checkpoints.recovery`): a drop
    that is in them and lacks its ledger row has one here, from the commit.

    Raises:
        NotFoundError: there are no tables yet.
    """
    require_tables(spark, settings)
    # The features first: what their version holds is in the others already.
    version = table_version(spark, settings, FEATURES)
    features = read_at(spark, settings, FEATURES, version)
    return Settled(features, _read_accounts(spark, settings, version))


def _read_accounts(spark: SparkSession, settings: Settings, version: int) -> DataFrame:
    """Read the ledger, and from the features' log what a batch did not come to write into it."""
    ledger = spark.read.format("delta").load(table_path(settings, LEDGER)).select(*_ACCOUNT)
    newest = ledger.agg(F.max("features_version").alias("version")).collect()[0]["version"]
    known = -1 if newest is None else int(newest)
    commits = read_commits_after(spark, settings, FEATURES, known) if version > known else {}
    missing = [
        (row.drop_id, str(row.state), at)
        for at, rows in commits.items()
        for row in rows
        if at <= version
    ]
    return ledger.unionByName(spark.createDataFrame(missing, ledger.schema)) if missing else ledger
