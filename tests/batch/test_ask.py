"""The tables as they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from batch.questions.ask import find_moment, lake_names
from lake.errors import ConfigError, NotFoundError
from lake.settings import Settings
from lake.tables import CHANNEL_KPIS, FEATURES, LEDGER, TABLES, table_path, table_version

pytestmark = pytest.mark.spark

FIRST, SECOND = "a" * 63 + "1", "a" * 8 + "b" * 56


@dataclass
class Lake:
    """A lake into which two drops of one customer each came, with the times between them."""

    spark: SparkSession
    settings: Settings
    times: list[datetime] = field(default_factory=list)

    def drop(self, drop_id: str) -> None:
        """Ingest one customer, and say so in the ledger."""
        self.append(FEATURES, "master_id", drop_id)
        version = table_version(self.spark, self.settings, FEATURES)
        row = self.spark.range(1).select(
            F.lit(drop_id).alias("drop_id"),
            F.lit("ingested").alias("state"),
            F.lit(version).cast("bigint").alias("features_version"),
            F.lit(datetime.now(UTC)).alias("finished_at"),
        )
        row.write.format("delta").mode("append").save(table_path(self.settings, LEDGER))
        self.times.append(datetime.now(UTC) + timedelta(milliseconds=5))

    def append(self, table: str, column: str, value: str) -> None:
        """Append one row."""
        row = self.spark.range(1).select(F.lit(value).alias(column))
        row.write.format("delta").mode("append").save(table_path(self.settings, table))

    def counts(self, as_of: str) -> tuple[int, int]:
        """Count customers and drops as they were."""
        lake_names(self.spark, self.settings, as_of)
        return (
            self.spark.table("flo.customer_features").count(),
            self.spark.table("flo.drops").count(),
        )


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Make a lake with two drops."""
    made = Lake(spark, Settings(fs="file://", root=str(tmp_path_factory.mktemp("lake"))))
    for name in (FEATURES, LEDGER, CHANNEL_KPIS):
        empty = spark.createDataFrame([], TABLES[name].schema)
        empty.write.format("delta").save(table_path(made.settings, name))
    made.drop(FIRST)
    made.drop(SECOND)
    yield made
    spark.sql("DROP DATABASE IF EXISTS flo CASCADE")


def test_a_drop_means_the_tables_just_after_it(lake: Lake) -> None:
    """As of a drop its rows are there, with its ledger row, and no later ones."""
    assert lake.counts(FIRST) == (1, 1)
    assert lake.counts(SECOND) == (2, 2)


def test_the_beginning_of_a_drop_id_will_do(lake: Lake) -> None:
    """An id may be shortened as long as it means one drop."""
    assert lake.counts(SECOND[:12]) == (2, 2)
    with pytest.raises(ConfigError, match="Several drops"):
        lake.counts("a" * 8)


def test_a_time_means_what_was_committed_until_then(lake: Lake) -> None:
    """As of a time between two drops only the first is there; of now, both."""
    assert lake.counts(lake.times[0].isoformat()) == (1, 1)
    assert lake.counts((lake.times[1] + timedelta(days=1)).isoformat()) == (2, 2)


def test_a_time_before_the_first_version_is_refused(lake: Lake) -> None:
    """Nothing was there yet, and the message says so."""
    with pytest.raises(ConfigError, match="did not exist yet"):
        lake.counts("2001-01-01")


def test_a_time_without_offset_is_in_the_business_time_zone(lake: Lake) -> None:
    """Midnight is midnight where the business is."""
    moment = find_moment(lake.spark, lake.settings, "2026-01-01")

    assert moment.at == datetime(2025, 12, 31, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("as_of", "kind"), [("c" * 64, NotFoundError), ("yesterday", ConfigError), ("", ConfigError)]
)
def test_what_is_neither_drop_nor_time_is_refused(
    lake: Lake, as_of: str, kind: type[Exception]
) -> None:
    """An unknown drop and a text that is no time are told apart."""
    with pytest.raises(kind):
        lake.counts(as_of)
