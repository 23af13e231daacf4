"""Asking the tables as they were: by a drop, or by a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from batch.kpis.tables import KPI_TABLES
from batch.questions.bygone import (
    Run,
    find_runs,
    past_features,
    past_history,
    past_kpis,
    past_ledger,
    past_quarantine,
    past_snapshots,
)
from batch.questions.moment import Moment, find_moment
from lake.contract import load_contract
from lake.delta import has_table, is_gone, newest_snapshot, read_table, table_version
from lake.errors import ConfigError
from lake.format import require_tables
from lake.fs import from_millis
from lake.settings import Settings
from lake.tables import (
    DATABASE,
    FEATURES,
    KPI_HISTORY,
    LEDGER,
    ON_DEMAND,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
    table_path,
)

NAMES = {"spark.sql.globalTempDatabase": DATABASE}
"""Settings of a session that is to ask the tables as they were: then they go by `flo.<table>`."""

# What Delta says of a time since which nothing was committed.
_SINCE = "DELTA_TIMESTAMP_GREATER_THAN_COMMIT"


@dataclass(frozen=True)
class Asked:
    """What a session's names stand for.

    Attributes:
        at: when the tables were so.
        notes: a sentence for each thing that is not simply as it was.
    """

    at: datetime
    notes: tuple[str, ...]


def lake_names(spark: SparkSession, settings: Settings, as_of: str) -> Asked:
    """Name each table in this session as it was at a drop or a time (see `find_moment`).

    - Of features, snapshots and quarantine it is the version that the ledger names; for a time,
      and for the segments, the one that was the newest then.
    - Of the ledger and the history of the KPIs, to which rows are only added, it is the rows that
      were there. The KPI tables are one run's rows of that history (see `find_runs`).
    - What Delta no longer keeps is made again from the drops' accounts and snapshots: the features
      by the order rule. The segments cannot be made again. A note says so.
    - A table that was not there yet has no name.

    The names are temporary, so no metastore and no HDFS is written to.

    Raises:
        ConfigError: neither a drop nor a time, or a time before there were tables.
        NotFoundError: no such drop, or no tables at all.

    Example:
        >>> lake_names(spark, settings, "2026-03-01T12:00").notes
        ()
        >>> spark.sql("SELECT count(*) FROM flo.customer_features")
    """
    require_tables(spark, settings)
    past = _Past(spark, settings, find_moment(spark, settings, as_of))
    further = [name for name in ON_DEMAND if has_table(spark, settings, name)]
    for name in (*TABLES, *further):
        frame = past.table(name)
        if frame is not None:
            frame.createOrReplaceGlobalTempView(name)
        else:
            spark.catalog.dropGlobalTempView(name)
    return Asked(past.moment.at, (*past.notes, *_tell_made_again(past.made_again), *past.on_kpis()))


class _Past:
    """The tables at a moment.

    Attributes:
        made_again: the tables that had to be made again.
        notes: what became of those that could not be.
    """

    def __init__(self, spark: SparkSession, settings: Settings, moment: Moment) -> None:
        self.moment = moment
        self.made_again: list[str] = []
        self.notes: list[str] = []
        self._spark = spark
        self._settings = settings

    def table(self, name: str) -> DataFrame | None:
        """Read a table as it was; None where it was not there, or is not known any more."""
        if name == LEDGER:
            return self._ledger
        if name == KPI_HISTORY:
            return past_history(self._history, self.moment, self._runs)
        if name in KPI_TABLES:
            return past_kpis(self._history, name, self._runs.get(name))
        kept = self._kept(name)
        return self._lost(name) if kept is None else kept

    def on_kpis(self) -> Sequence[str]:
        """Say where the KPI tables do not belong to the features beside them."""
        if not self._runs:
            return ["No KPIs had been computed yet."]
        shown = min(run.features_version for run in self._runs.values())
        wanted = self.moment.versions.get(FEATURES, shown)
        if shown >= wanted:
            return []
        return [
            f"No KPIs were computed of that drop: they are of version {shown} of {FEATURES}, "
            f"and the drop made version {wanted}."
        ]

    @cached_property
    def _ledger(self) -> DataFrame:
        return past_ledger(self._newest(LEDGER), self.moment.at)

    @cached_property
    def _history(self) -> DataFrame:
        return self._newest(KPI_HISTORY)

    @cached_property
    def _runs(self) -> Mapping[str, Run]:
        return find_runs(self._history, self.moment)

    def _newest(self, name: str) -> DataFrame:
        version = table_version(self._spark, self._settings, name)
        return read_table(self._spark, self._settings, name, version)

    def _kept(self, name: str) -> DataFrame | None:
        """Read the version of the moment, if there was one and Delta still keeps it."""
        if self.moment.is_before:
            return None
        reader = self._spark.read.format("delta")
        if name in self.moment.versions:
            reader = reader.option("versionAsOf", self.moment.versions[name])
        else:
            at = self.moment.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
            reader = reader.option("timestampAsOf", at)
        try:
            return reader.load(table_path(self._settings, name))
        except AnalysisException as error:
            if error.getCondition() == _SINCE:
                return self._newest(name)
            if is_gone(error):
                return None
            raise

    def _lost(self, name: str) -> DataFrame | None:
        """Make a table again whose version is gone."""
        if self._was_not_yet(name):
            if name == FEATURES:
                raise ConfigError(
                    f"At {self.moment.at.isoformat()} the tables were not there yet; "
                    "ask for a later time."
                )
            self.notes.append(f"{name} was not there yet.")
            return None
        frame = self._make_again(name)
        if frame is None:
            self.notes.append(f"What {name} was is no longer kept.")
        else:
            self.made_again.append(name)
        return frame

    def _was_not_yet(self, name: str) -> bool:
        if self.moment.is_before:
            return self._ledger.isEmpty()
        made = newest_snapshot(self._spark, self._settings, name).metadata().createdTime()
        return bool(made.isDefined()) and self.moment.at < from_millis(int(made.get()))

    def _make_again(self, name: str) -> DataFrame | None:
        if name == FEATURES:
            contract = load_contract(self._settings.contract)
            return past_features(self._newest(SNAPSHOTS), self._ledger, contract)
        if name == SNAPSHOTS:
            return past_snapshots(self._newest(SNAPSHOTS), self._ledger)
        if name == QUARANTINE:
            return past_quarantine(self._newest(QUARANTINE), self._ledger)
        return None


def _tell_made_again(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    told = [
        f"{name} was recomputed from the snapshots by the order rule, without updated_at"
        if name == FEATURES
        else f"{name} is what it now has of the drops of then"
        for name in names
    ]
    return [f"Delta no longer keeps all versions of then: {'; '.join(told)}."]
