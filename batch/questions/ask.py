"""Asking the tables as they were: by a drop, or by a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lake.contract import load_contract
from lake.errors import ConfigError, NotFoundError, no_tables
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import (
    DATABASE,
    FEATURES,
    LEDGER,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
    table_path,
)

_DROP_ID = re.compile(r"[0-9a-f]{6,64}", re.IGNORECASE)
_VERSIONS = {
    FEATURES: "features_version",
    SNAPSHOTS: "snapshots_version",
    QUARANTINE: "quarantine_version",
}


@dataclass(frozen=True)
class Moment:
    """A point in the tables' history.

    Attributes:
        at: what was committed up to then counts.
        versions: the tables whose version is known better than by time.
    """

    at: datetime
    versions: Mapping[str, int]


def lake_names(spark: SparkSession, settings: Settings, as_of: str) -> Moment:
    """Declare ``flo.<table>`` in this session as each table was at a drop or a time.

    - A drop (its id, or a beginning of it that is unique) means the tables as its ledger row
      names them, just after it was ingested; the other tables by the time of that row.
    - A time is ISO 8601; without an offset it is meant in the contract's business time zone.
      A date alone is that day's start.
    - A table that did not exist then has no name.

    Raises:
        ConfigError: neither a drop nor a time, or a time before the tables' first version.
        NotFoundError: no such drop, or no tables at all.

    Example:
        >>> lake_names(spark, settings, "2026-03-01T12:00")
        >>> spark.sql("SELECT count(*) FROM flo.customer_features")
    """
    if spark.conf.get("spark.sql.catalogImplementation", "in-memory") != "in-memory":
        raise ConfigError(
            "Earlier versions are named in the session only, which a metastore cannot do; "
            "use VERSION AS OF in the statement instead."
        )
    files = FileSystem.of(spark)
    present = [n for n in TABLES if files.exists(f"{table_path(settings, n)}/_delta_log")]
    if FEATURES not in present or LEDGER not in present:
        raise no_tables(settings.tables)
    moment = find_moment(spark, settings, as_of)
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    for name in present:
        if not _declare(spark, table_path(settings, name), name, moment) and name == FEATURES:
            raise ConfigError(
                f"At {moment.at.isoformat()} the tables did not exist yet, or their versions "
                "of then are no longer kept; ask for a later time."
            )
    return moment


def find_moment(spark: SparkSession, settings: Settings, as_of: str) -> Moment:
    """Tell what ``--as-of`` means; see `lake_names`."""
    text = as_of.strip()
    if _DROP_ID.fullmatch(text):
        return _moment_of_drop(spark, settings, text.lower())
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is neither a drop's id nor a time such as 2026-03-01T12:00:00+03:00."
        ) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=load_contract(settings.contract).zone)
    return Moment(at, {})


def _moment_of_drop(spark: SparkSession, settings: Settings, drop_id: str) -> Moment:
    rows = (
        spark.read.format("delta")
        .load(table_path(settings, LEDGER))
        .where(F.col("drop_id").startswith(drop_id) & (F.col("state") == "ingested"))
        .select("drop_id", *_VERSIONS.values(), F.unix_micros("finished_at").alias("at"))
        .orderBy("at")
        .limit(1000)
        .collect()
    )
    if not rows:
        raise NotFoundError(f"No ingested drop has the id {drop_id}; see `flo drops`.")
    if len({row["drop_id"] for row in rows}) > 1:
        raise ConfigError(f"Several drops have ids that begin with {drop_id}; give more of it.")
    first = rows[0]
    # In whole milliseconds, as Delta's times are.
    at = datetime.fromtimestamp(-(-first["at"] // 1000) / 1000, UTC)
    known = {name: first[column] for name, column in _VERSIONS.items()}
    versions = {name: int(version) for name, version in known.items() if version is not None}
    return Moment(at, versions | _ledger_version(spark, settings, at))


def _ledger_version(spark: SparkSession, settings: Settings, at: datetime) -> dict[str, int]:
    """Find the ledger's first version with the drop's row in it, committed just after `at`."""
    path = table_path(settings, LEDGER)
    found = (
        spark.sql(f"DESCRIBE HISTORY delta.`{path}`")
        .where(F.unix_millis("timestamp") >= int(at.timestamp() * 1000))
        .agg(F.min("version").alias("version"))
        .first()
    )
    version = found["version"] if found else None
    return {} if version is None else {LEDGER: int(version)}


def _declare(spark: SparkSession, path: str, name: str, moment: Moment) -> bool:
    """Declare one name; return whether the table existed then."""
    if name in moment.versions:
        return _try_declare(spark, path, name, f"VERSION AS OF {moment.versions[name]}") is None
    utc = moment.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    error = _try_declare(spark, path, name, f"TIMESTAMP AS OF '{utc}'")
    if error is not None and "GREATER_THAN_COMMIT" in error:
        # Nothing was committed since: the newest version is the one valid then.
        newest = spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 1").first()
        version = newest["version"] if newest else 0
        error = _try_declare(spark, path, name, f"VERSION AS OF {version}")
    return error is None


def _try_declare(spark: SparkSession, path: str, name: str, clause: str) -> str | None:
    """Declare a name as one version; return the error condition where there is none."""
    try:
        _forget(spark, name)
        view = f"CREATE VIEW {DATABASE}.{name} AS "
        spark.sql(f"{view} SELECT * FROM delta.`{path}` {clause}")  # noqa: S608 - all ours
    except AnalysisException as error:
        condition = str(error.getCondition() or error)
        if "TIMESTAMP" in condition or "VERSION" in condition:
            return condition
        raise
    return None


def _forget(spark: SparkSession, name: str) -> None:
    """Drop a name from the session's own catalogue; the table in HDFS is not ours to touch."""
    known: Any = spark.catalog
    if known.tableExists(f"{DATABASE}.{name}"):
        kind = "VIEW" if known.getTable(f"{DATABASE}.{name}").tableType == "VIEW" else "TABLE"
        spark.sql(f"DROP {kind} {DATABASE}.{name}")
