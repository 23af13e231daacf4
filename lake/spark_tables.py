"""The Delta tables, to be read in a Spark session: for lakes that only Java can read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pyspark.sql import SparkSession

from lake.delta import newest_snapshot, open_table, require_table
from lake.reading import NEWEST_COMMITS, Question, TableState
from lake.settings import Settings
from lake.tables import table_path

if TYPE_CHECKING:
    import pyarrow as pa


class SparkTables:
    """The tables of these settings; each question reads the newest version."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        """Bind to a session."""
        self._spark = spark
        self._settings = settings

    @property
    def zone(self) -> ZoneInfo:
        """The session's zone."""
        return ZoneInfo(self._spark.conf.get("spark.sql.session.timeZone") or "UTC")

    def ask(self, question: Question) -> pa.Table:
        """Read rows.

        Raises:
            NotFoundError: there is no such table.
        """
        require_table(self._spark, self._settings, question.table)
        path = table_path(self._settings, question.table)
        return self._spark.sql(question.to_sql(f"delta.`{path}`", "`")).toArrow()

    def state(self, name: str) -> TableState | None:
        """Look at a table's log; None where there is no such table."""
        snapshot = newest_snapshot(self._spark, self._settings, name)
        if snapshot.version() < 0:
            return None
        history = open_table(self._spark, self._settings, name).history(NEWEST_COMMITS)
        commits = [
            (int(row["version"]), int(row["millis"]), str(row["operation"]))
            for row in history.selectExpr(
                "version", "unix_millis(timestamp) AS millis", "operation"
            ).collect()
        ]
        return TableState.of(int(snapshot.numOfFiles()), int(snapshot.sizeInBytes()), commits)
