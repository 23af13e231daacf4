"""What ``--as-of`` means: a drop, or a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import VERSION_COLUMNS, State
from lake.contract import load_contract
from lake.delta import read_table
from lake.errors import ConfigError, NotFoundError
from lake.format import restored_at
from lake.fs import from_micros
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER

_DROP_ID = re.compile(r"[0-9a-f]{6,64}", re.IGNORECASE)


@dataclass(frozen=True)
class Moment:
    """A point in the tables' history.

    Attributes:
        at: what was done by then counts.
        versions: the tables whose version the ledger names; those of the others go by time.
        next_features: the version at which the features held something else, where one is known.
        restored_at: when the tables were made anew; versions from before are of other tables.
    """

    at: datetime
    versions: Mapping[str, int] = field(default_factory=dict)
    next_features: int | None = None
    restored_at: datetime | None = None

    @property
    def is_before(self) -> bool:
        """Tell whether the tables have been made anew since then."""
        return self.restored_at is not None and self.at < self.restored_at


def find_moment(spark: SparkSession, settings: Settings, as_of: str) -> Moment:
    """Tell what is meant.

    - A drop (its id, or a beginning of it that is unique) means when it was done: by its account
      as ``ingested`` if it has one, else by its first. The versions are the newest that the
      accounts until then name, so that no clock decides between two batches.
    - A time is ISO 8601; without an offset it is meant in the contract's business time zone. A
      date alone is that day's start.

    Raises:
        ConfigError: neither a drop nor a time, or the beginning of several drops' ids.
        NotFoundError: no such drop.
    """
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
    return Moment(at.astimezone(UTC), restored_at=restored_at(spark, settings))


def _moment_of_drop(spark: SparkSession, settings: Settings, beginning: str) -> Moment:
    ledger = read_table(spark, settings, LEDGER)
    at = F.unix_micros("finished_at").alias("at")
    accounts = ledger.where(F.col("drop_id").startswith(beginning)).select("drop_id", "state", at)
    done = _first_account(accounts.collect(), beginning)
    moment = Moment(from_micros(done), restored_at=restored_at(spark, settings))
    if moment.is_before:
        return moment
    newest = [
        F.max(F.when(at <= done, F.col(each))).alias(each) for each in VERSION_COLUMNS.values()
    ]
    known = ledger.agg(*newest).collect()[0]
    versions = {
        name: int(known[each]) for name, each in VERSION_COLUMNS.items() if known[each] is not None
    }
    later = F.col("features_version") > versions.get(FEATURES, -1)
    following = ledger.agg(F.min(F.when(later, F.col("features_version")))).collect()[0][0]
    return replace(moment, versions=versions, next_features=following)


def _first_account(accounts: list[Row], beginning: str) -> int:
    """Tell when the drop was done, in microseconds since 1970."""
    if not accounts:
        raise NotFoundError(f"No drop has the id {beginning}; see `flo drops`.")
    if len({row["drop_id"] for row in accounts}) > 1:
        raise ConfigError(f"Several drops have ids that begin with {beginning}; give more of it.")
    ingested = [row["at"] for row in accounts if row["state"] == State.INGESTED]
    return int(min(ingested or [row["at"] for row in accounts]))
