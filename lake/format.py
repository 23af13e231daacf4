"""The format of a lake's tables, a number kept as a property of the ledger."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import SparkSession

from lake.delta import has_table, read_property, require_table
from lake.errors import ConfigError
from lake.settings import Settings
from lake.tables import LEDGER, TABLES

PROPERTY = "flo.format"
RESTORED = "flo.restored_at"
"""Property of a ledger whose tables were made anew: when, in ISO 8601. Versions that accounts from
before name are of these tables; what was where before is told by times and drops alone."""

FORMAT = 2
"""What this program writes: 1 is that of v0.1.0, which wrote no number."""


def require_format(spark: SparkSession, settings: Settings) -> None:
    """Make sure that the lake is of this program's format, or not there yet.

    Raises:
        ConfigError: an older or a newer program has made it.
    """
    if has_table(spark, settings, LEDGER):
        check_format(read_property(spark, settings, LEDGER, PROPERTY), settings)


def require_tables(spark: SparkSession, settings: Settings) -> None:
    """Make sure that there is a lake to look at.

    Raises:
        NotFoundError: a table does not exist.
        ConfigError: the tables are of another format.
    """
    require_format(spark, settings)
    for name in TABLES:
        require_table(spark, settings, name)


def check_format(found: str | None, settings: Settings) -> None:
    """Make sure that a format is this program's; the ledger of the oldest tells none.

    Raises:
        ConfigError: it is another.
    """
    number = int(found or 1)
    if number < FORMAT:
        raise ConfigError(
            f"The tables in {settings.tables} are of format {number}, and this program's is "
            f"{FORMAT}. Stop every program of the older version, and run `flo restore`: it makes "
            "them anew from the archive, and keeps the old ones."
        )
    if number > FORMAT:
        raise ConfigError(
            f"The tables in {settings.tables} are of format {number}, which a newer version has "
            f"made; this one knows {FORMAT}. Install that version."
        )


def restored_at(spark: SparkSession, settings: Settings) -> datetime | None:
    """Tell when the tables were made anew; None where they are those that were made first."""
    told = read_property(spark, settings, LEDGER, RESTORED)
    return datetime.fromisoformat(told) if told else None
