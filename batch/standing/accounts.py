"""What became of the drops: questions to the ledger and to quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.delta import read_table, require_table
from lake.errors import ConfigError, NotFoundError
from lake.reading import Files, Question
from lake.settings import Settings
from lake.tables import LEDGER, QUARANTINE
from streaming.source import drops_in_landing

COUNTS = (
    "rows_read",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "rows_stale",
    "rows_superseded",
    "rows_quarantined",
)

SHORT = (
    "finished_at",
    "file",
    "state",
    *COUNTS,
    "drop",
    "reason",
)

_NEWEST_FIRST = ("finished_at", "modified_at", "path")


@dataclass(frozen=True)
class Pending:
    """What lies in landing: ``oldest`` is the earliest modification time."""

    files: int
    bytes: int
    oldest: datetime | None


def newest_accounts(
    columns: Sequence[str] = (), *, state: str | None = None, limit: int | None = None
) -> Question:
    """Ask for accounts, the newest first: these columns or all, perhaps only those of one state."""
    where = {} if state is None else {"state": state}
    return Question(LEDGER, columns, where, _NEWEST_FIRST, limit)


def read_ledger(spark: SparkSession, settings: Settings) -> DataFrame:
    """Read the ledger, the newest account first.

    Raises:
        NotFoundError: there are no tables yet.
    """
    newest_first = [F.col(name).desc() for name in _NEWEST_FIRST]
    return _read(spark, settings, LEDGER).orderBy(*newest_first)


def shorten(account: Mapping[str, Any]) -> dict[str, Any]:
    """Select what fits a screen: the file's name alone, twelve digits of the id."""
    short = {
        **account,
        "file": account["path"].rsplit("/", 1)[-1],
        "drop": account["drop_id"] and account["drop_id"][:12],
        "finished_at": account["finished_at"].replace(microsecond=0),
    }
    return {name: short[name] for name in SHORT}


def find_drop(spark: SparkSession, settings: Settings, prefix: str) -> dict[str, Any]:
    """Find the account of a drop by its id or a beginning of it; the newest where it has several.

    Raises:
        NotFoundError: no such drop.
        ConfigError: several drops have ids that begin so.
    """
    named = F.col("drop_id").startswith(prefix.strip().lower())
    # A duplicate has the id of the drop that it repeats, and no rows of its own.
    found = read_ledger(spark, settings).where(named & (F.col("state") != "duplicate")).collect()
    if not found:
        raise NotFoundError(f"No drop has the id {prefix}; see `flo drops`.")
    if len({row["drop_id"] for row in found}) > 1:
        raise ConfigError(f"Several drops have ids that begin with {prefix}; give more of it.")
    return found[0].asDict()


def quarantined_rows(spark: SparkSession, settings: Settings) -> DataFrame:
    """Read the quarantine.

    Raises:
        NotFoundError: there are no tables yet.
    """
    return _read(spark, settings, QUARANTINE)


def count_reasons(quarantine: DataFrame) -> DataFrame:
    """Count the rows of each drop by reason; a row with two reasons counts under both."""
    return (
        quarantine.select("drop_id", "path", F.explode("reasons").alias("reason"))
        .groupBy(
            F.substring("drop_id", 1, 12).alias("drop"),
            F.element_at(F.split("path", "/"), -1).alias("file"),
            "reason",
        )
        .agg(F.count(F.lit(1)).alias("rows"))
        .orderBy("file", "drop", F.col("rows").desc(), "reason")
        .select("file", "drop", "reason", "rows")
    )


def look_at_landing(files: Files, settings: Settings) -> Pending:
    """See what waits in landing."""
    waiting = drops_in_landing(files, settings)
    oldest = min((info.modified_at for info in waiting), default=None)
    return Pending(len(waiting), sum(info.size for info in waiting), oldest)


def _read(spark: SparkSession, settings: Settings, name: str) -> DataFrame:
    require_table(spark, settings, name)
    return read_table(spark, settings, name)
