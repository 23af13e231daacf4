"""The features' writer that goes through Delta's public ``MERGE``.

It needs no inner parts of Delta's beyond those of the fence, and is slower than the one with
deletion vectors, as it looks for the rows once more. See ADR 21.
"""

from __future__ import annotations

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lake.causes import condition_of
from lake.conflicts import OvertakenError
from lake.delta import history_after, newest_snapshot, open_table, table_version
from lake.errors import TransientError
from lake.features_writer import DELETED, OLD, FeaturesWriter, Sizes, goes
from lake.fence import Fence
from lake.tables import FEATURES, TABLES

_KEY = "master_id"
_AFRESH = "_afresh"


class Merge(FeaturesWriter):
    """The writer that has Delta find the old rows again, by their customer."""

    def __init__(self, spark: SparkSession, fence: Fence) -> None:
        """Begin, at the newest version; whether the epoch has passed is seen by the commit."""
        super().__init__(spark, fence, newest_snapshot(spark, fence.settings, FEATURES))

    def _write(self, rows: DataFrame, sizes: Sizes) -> int:
        self._count(rows, sizes)
        target = open_table(self._spark, self._settings, FEATURES).alias("t")
        values: dict[str, str | Column] = {name: F.col(f"s.`{name}`") for name in self._given(rows)}
        merge = (
            target.merge(
                _source(rows, sizes).alias("s"), f"t.{_KEY} <=> s.{_KEY} AND NOT {_AFRESH}"
            )
            .whenMatchedDelete(f"s.{DELETED}")
            .whenMatchedUpdate(set=values | {_KEY: _or_fail(_is_as_planned())})
            .whenNotMatchedInsert(
                f"NOT s.{DELETED}", values | {_KEY: _or_fail(F.col(f"s.{OLD}").isNull())}
            )
        )
        try:
            with self._fence.committing(self._spark, FEATURES):
                merge.execute()
        except (Py4JJavaError, PySparkException) as error:
            if condition_of(error) != "USER_RAISED_EXCEPTION":
                raise
            raise self._other_rows() from None
        return self._committed()

    def _other_rows(self) -> TransientError:
        """Say why the table has other rows than the plan has seen."""
        if table_version(self._spark, self._settings, FEATURES) != self.version:
            return OvertakenError(FEATURES)
        return TransientError(
            f"{FEATURES} has a customer twice, and nothing was changed: run `flo verify`, and "
            "`flo rebuild`, which mends it."
        )

    def _count(self, rows: DataFrame, sizes: Sizes) -> None:
        """A MERGE tells its numbers when it is done, so the rows are counted before it."""
        [counted] = rows.agg(
            F.expr(f"count_if(NOT {goes(sizes)})").alias("written"),
            F.count_if(F.col(OLD).isNotNull()).alias("old"),
            F.count_distinct(f"{OLD}.file", f"{OLD}.row").alias("places"),
        ).collect()
        self._require(counted["written"], sizes.written, "written")
        self._require(counted["old"], sizes.gone, "replaced")
        self._require(counted["places"], sizes.gone, "replaced")

    def _committed(self) -> int:
        """The version that the MERGE has made; a compaction may have come right before or after."""
        newest = table_version(self._spark, self._settings, FEATURES)
        if newest == self.version + 1:
            return newest
        later = history_after(self._spark, self._settings, FEATURES, self.version, newest)
        made = later.where("operation = 'MERGE'").agg(F.min("version"))
        return int(made.collect()[0][0])


def _source(rows: DataFrame, sizes: Sizes) -> DataFrame:
    """The rows as a MERGE can take them: none matches a row of the table that another one matches.

    Of a customer who is deleted one row is enough, as it takes all of the table's rows of the
    customer away. One who is inserted as well is to match none of those.
    """
    if not sizes.deletes:
        return rows.withColumns({DELETED: F.lit(False), _AFRESH: F.lit(False)})
    of_customer = Window.partitionBy(_KEY)
    nth = F.row_number().over(of_customer.orderBy(F.col(DELETED).desc()))
    afresh = F.col(OLD).isNull() & F.max(DELETED).over(of_customer)
    marked = rows.withColumns({_AFRESH: afresh, "_nth": nth})
    return marked.where(f"NOT {DELETED} OR _nth = 1").drop("_nth")


def _is_as_planned() -> Column:
    """Tell whether the table has the row that the plan has seen; for a new customer it has none.

    The version was looked at before, but a MERGE reads whatever is the newest when it begins.
    """
    names = TABLES[FEATURES].column_names
    stored, seen = (
        F.struct(*[F.col(f"{row}.{name}") for name in names]) for row in ("t", f"s.{OLD}.values")
    )
    return stored.eqNullSafe(seen)


def _or_fail(as_planned: Column) -> Column:
    """The customer's id, or an error that ends the MERGE."""
    return F.when(as_planned, F.col(f"s.{_KEY}")).otherwise(F.raise_error("overtaken"))
