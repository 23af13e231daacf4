"""The exact counts behind the KPIs: how many customers each group has at each revenue.

The same customers are counted by single revenue and, with sums, by band of revenues: a hundredth of
the rows, which is all that most of the KPIs need. The two lie in files apart.

The table ``kpi_values`` stands for one version of ``customer_features``. A run of the KPI job
brings it to the newest version by appending what the change feed says, so that a run costs as much
as the change. It holds nothing that the features do not say: who doubts it counts anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from delta.exceptions import ConcurrentTransactionException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis.notes import pack_note, read_note
from batch.kpis.numbers import Band, Value, ValuesError
from lake.delta import newest_snapshot, read_table, table_version
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import FEATURES, INTERNAL, KPI_VALUES, properties_of, table_path

BAND_KEYS = ("order_channel", "platform_type", "band")
VALUE_KEYS = (*BAND_KEYS, "cents")
# The parts of the table, kept in files apart: customers by single revenue, and by band.
_LEVEL, _BY_VALUE, _BY_BAND = "level", "value", "band"
_BEYOND = "decimal(38,0)"
_UNITS = [10 ** max(0, digits - 3) for digits in range(1, 20)]

# Each append repeats values that are there already. One write in so many puts all together again.
_REWRITE = 100
_FILES = 2


@dataclass(frozen=True)
class Values:
    """The counts of one version of the features.

    Attributes:
        frame: the columns of ``kpi_values``; where a value is there several times, its counts add
            up.
        features_version: which version of the features they are of.
        writes: how often the table was written for these features.
    """

    frame: DataFrame
    features_version: int
    writes: int

    def bands(self) -> list[Band]:
        """Count all customers by group and the leading digits of their revenue."""
        return [Band(*row)._replace(beyond=int(row[-1])) for row in _fetch(self.by_band)]

    def within(self, bands: Sequence[int]) -> list[Value]:
        """Count the customers in some bands by group and revenue."""
        found = self._part(_BY_VALUE).where(F.col("band").isin(list(bands)))
        added = found.groupBy(*VALUE_KEYS).agg(F.sum("customers").alias("customers"))
        return [Value(*row) for row in _fetch(added.where("customers <> 0"))]

    @property
    def by_value(self) -> DataFrame:
        """The counts by single revenue, put together, in the columns of `count_values`."""
        return add_up(self._part(_BY_VALUE))

    @property
    def by_band(self) -> DataFrame:
        """The counts by band, put together, in the columns of `total_by_band`."""
        return _sum_bands(self._part(_BY_BAND))

    def _part(self, level: str) -> DataFrame:
        return self.frame.where(F.col(_LEVEL) == level)


def read_values(spark: SparkSession, settings: Settings) -> Values:
    """Read the table as it is now.

    Raises:
        ValuesError: there is none, or it is not of these features.
    """
    snapshot = newest_snapshot(spark, settings, KPI_VALUES)
    at, features_id = int(snapshot.version()), _id(spark, settings)
    if at < 0:
        raise ValuesError(f"There are no counts of the {FEATURES} yet.")
    frame = read_table(spark, settings, KPI_VALUES, at)
    if frame.schema.simpleString() != INTERNAL[KPI_VALUES].schema.simpleString():
        raise ValuesError("The counts are in the form of another version of this program.")
    note = read_note(FileSystem.of(spark), settings, KPI_VALUES, at)
    if note is None:  # the last commit was one of upkeep
        note = frame.agg(F.max("features_version").alias("features_version")).collect()[0].asDict()
        note |= {"features_id": features_id, "writes": _count_writes(snapshot, features_id)}
    if note["features_id"] != features_id or not note["writes"]:
        raise ValuesError(f"The counts are not of these {FEATURES}.")
    version = note["features_version"]
    # It may be later than the one that the caller knows, but not than all there are.
    if version is None or version > table_version(spark, settings, FEATURES):
        raise ValuesError(f"The counts are of version {version} of {FEATURES}, which is not there.")
    return Values(frame, version, note["writes"])


def count_anew(spark: SparkSession, settings: Settings, version: int) -> Values:
    """Count the customers of a version of the features, and replace the table with that.

    Raises:
        ConcurrentTransactionException: another run wrote the table meanwhile.
    """
    counted = count_values(read_table(spark, settings, FEATURES, version))
    before = newest_snapshot(spark, settings, KPI_VALUES)
    write = _count_writes(before, _id(spark, settings)) + 1
    return _write(spark, settings, counted, version, write, "overwrite")


def add_changes(spark: SparkSession, settings: Settings, version: int) -> Values:
    """Bring the table to a version of the features by what their change feed says.

    Nothing is written where the table stands for that version, or a later one, already.

    Raises:
        ValuesError: there is no table, or it is of other features.
        ConcurrentTransactionException: another run wrote the table meanwhile.
        PySparkException, Py4JJavaError: the feed does not reach back to the table's version.
    """
    values = read_values(spark, settings)
    if values.features_version >= version:
        return values
    feed = (
        spark.read.format("delta")
        # In small letters, as Delta keeps them: others it warns of.
        .option("readchangefeed", True)
        .option("startingversion", values.features_version + 1)
        .option("endingversion", version)
        .load(table_path(settings, FEATURES))
    )
    is_taken = F.col("_change_type").isin("delete", "update_preimage")
    changes = count_values(feed, F.when(is_taken, -1).otherwise(1))
    write = values.writes + 1
    if write % _REWRITE:
        return _write(spark, settings, changes, version, write, "append")
    together = add_up(values.by_value.unionByName(changes))
    return _write(spark, settings, together, version, write, "overwrite")


def count_values(features: DataFrame, sign: Column | None = None) -> DataFrame:
    """Count customers and sum their orders per channel, platform and revenue.

    Args:
        features: rows of ``customer_features``, or of its change feed.
        sign: -1 for a row that is taken away, 1 for one that is added; by default all are.

    Returns:
        ``order_channel, platform_type, band, cents, customers, orders``, each value once, without
        those of which nothing is left. ``cents`` is the revenue, ``band`` the same rounded down to
        three leading digits.
    """
    one = (F.lit(1) if sign is None else sign).cast("bigint")
    rows = features.select(
        "order_channel",
        "platform_type",
        (F.col("customer_value_total") * 100).cast("bigint").alias("cents"),
        one.alias("customers"),
        (one * F.col("order_num_total")).alias("orders"),
    )
    return add_up(rows)


def add_up(values: DataFrame) -> DataFrame:
    """Put the counts of each value together; see `count_values` for what is returned."""
    added = values.groupBy("order_channel", "platform_type", "cents").agg(
        F.sum("customers").alias("customers"), F.sum("orders").alias("orders")
    )
    left = added.where(_any_left())
    return left.withColumn("band", _band(F.col("cents"))).select(*VALUE_KEYS, "customers", "orders")


def total_by_band(values: DataFrame) -> DataFrame:
    """Put the counts of all revenues of a band together.

    Args:
        values: of `count_values`.

    Returns:
        ``order_channel, platform_type, band, customers, orders, beyond``, each band once, without
        those of which nothing is left. ``beyond`` is what the customers have above the band, in
        cents, as a decimal: nine thousand customers with the largest revenue are beyond a BIGINT.
    """
    above = (F.col("cents") - F.col("band")).cast("decimal(18,0)")
    beyond = (above * F.col("customers").cast("decimal(19,0)")).cast(_BEYOND)
    return _sum_bands(values.withColumn("beyond", beyond))


def _sum_bands(counts: DataFrame) -> DataFrame:
    sums = [F.sum(name).alias(name) for name in ("customers", "orders")]
    sums.append(F.sum("beyond").cast(_BEYOND).alias("beyond"))
    return counts.groupBy(*BAND_KEYS).agg(*sums).where(_any_left("beyond"))


def _band(cents: Column) -> Column:
    units = F.array(*[F.lit(each).cast("bigint") for each in _UNITS])
    return cents - cents % F.element_at(units, F.length(cents.cast("string")))


def _any_left(*further: str) -> Column:
    left = F.lit(False)
    for name in ("customers", "orders", *further):
        left = left | (F.col(name) != 0)
    return left


def _fetch(frame: DataFrame) -> Iterator[tuple[Any, ...]]:
    """Bring some ten thousand rows here, by columns: one by one Python would unpack each."""
    return zip(*[column.to_pylist() for column in frame.toArrow().columns], strict=True)


def _count_writes(snapshot: Any, features_id: str) -> int:
    """Tell how often the table was written for these features, from its transactions."""
    found = snapshot.transactions().get(features_id)
    return int(found.get()) if found.isDefined() else 0


def _id(spark: SparkSession, settings: Settings) -> str:
    """Delta's own id of the features: another table in their place has another."""
    return str(newest_snapshot(spark, settings, FEATURES).metadata().id())


def _write(
    spark: SparkSession, settings: Settings, values: DataFrame, version: int, write: int, mode: str
) -> Values:
    """Write the table, if nobody else has since its last write was looked at.

    The number of the write is that of a Delta transaction, whose application is the features' id:
    Delta passes over a write whose number is there already, and lets one of two at once fail.
    """
    marked = _both_levels(values).withColumn("features_version", F.lit(version).cast("bigint"))
    writer = marked.select(*INTERNAL[KPI_VALUES].column_names).coalesce(_FILES).write
    writer = writer.format("delta").mode(mode).option("txnVersion", write)
    features_id = _id(spark, settings)
    note = {"features_id": features_id, "features_version": version, "writes": write}
    writer = writer.option("txnAppId", features_id).option("userMetadata", pack_note(note))
    if mode == "overwrite":
        properties = properties_of(INTERNAL[KPI_VALUES], settings)
        writer = writer.partitionBy(_LEVEL).options(overwriteSchema=True, **properties)
    writer.save(table_path(settings, KPI_VALUES))
    written = read_values(spark, settings)
    if (written.writes, written.features_version) != (write, version):
        raise ConcurrentTransactionException(f"Another run wrote {KPI_VALUES}.")
    return written


def _both_levels(values: DataFrame) -> DataFrame:
    """Put single revenues, their totals by band, and a row that counts nobody below each other."""
    # So that a write without a change says, too, which version the table stands for.
    marker = values.sparkSession.range(1).select(F.lit(_BY_BAND).alias(_LEVEL))
    parts = (
        values.withColumn(_LEVEL, F.lit(_BY_VALUE)),
        total_by_band(values).withColumn(_LEVEL, F.lit(_BY_BAND)),
        marker,
    )
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts)
