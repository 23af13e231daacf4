"""The format of a lake's tables, a number kept as a property of the ledger."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.errors import ConfigError
from lake.settings import Settings
from lake.tables import LEDGER, newest_snapshot

PROPERTY = "flo.format"
FORMAT = 2
"""What this program writes: 1 is that of v0.1.0, which wrote no number."""


def require_format(spark: SparkSession, settings: Settings) -> None:
    """Make sure that the lake is of this program's format, or not there yet.

    Raises:
        ConfigError: an older or a newer program has made it.
    """
    ledger = newest_snapshot(spark, settings, LEDGER)
    if ledger.version() >= 0:
        configuration = ledger.metadata().configuration()
        found = configuration.apply(PROPERTY) if configuration.contains(PROPERTY) else None
        check_format(found, settings)


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
