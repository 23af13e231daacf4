"""Make what must be there before the first drop: directories with their permissions, tables."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import create_tables

# The stream's user owns everything; suppliers, in whatever group they are, write into landing
# only. The sticky bit keeps one supplier from deleting another's files.
_ROOT, _OWN, _LANDING = 0o755, 0o750, 0o1777


def initialise(spark: SparkSession, settings: Settings) -> list[str]:
    """Make directories and tables that are not there yet; return the names of new tables.

    Permissions are set when a directory is made and then left to its owner.
    """
    files = FileSystem.of(spark)
    for path, mode in (
        (settings.path(), _ROOT),
        (settings.tables, _OWN),
        (settings.archive, _OWN),
        (settings.checkpoints, _OWN),
        (settings.landing, _LANDING),
    ):
        if not files.exists(path):
            files.mkdirs(path, mode)
    return create_tables(spark, settings)
