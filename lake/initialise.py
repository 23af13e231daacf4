"""Make what must be there before the first drop: directories with their permissions, tables."""

from __future__ import annotations

import structlog
from pyspark.sql import SparkSession

from lake.ddl import create_tables
from lake.errors import AccessError, ConfigError, ServiceError, TransientError
from lake.fs import FileSystem
from lake.settings import Settings

log = structlog.get_logger()

# The stream's user owns everything; suppliers, in whatever group they are, write into landing
# only. The sticky bit keeps one supplier from deleting another's files. Beside the owner only the
# reader gets at the tables, by their access list: an owner may change that without being a
# superuser or in the reader's group, and what is made below inherits it.
NEW_TABLES = ("checkpoints", "restored")
"""Below the root: where new tables are made, before they take the place of the old ones."""

_ROOT, OWN, _LANDING = 0o755, 0o750, 0o1777


def initialise(spark: SparkSession, settings: Settings) -> list[str]:
    """Make directories and tables that are not there yet; return the names of new tables.

    Permission bits are set when a directory is made and then left to its owner; the ``reader`` of
    the settings is let in whenever it is not.

    Raises:
        ConfigError: the tables are of another format, or a restore was killed.
    """
    files = FileSystem.of(spark)
    if not files.exists(settings.tables) and files.exists(settings.path(*NEW_TABLES)):
        raise ConfigError(
            f"A `flo restore` was killed while it put new tables into {settings.tables}: run it "
            "again, which finishes that."
        )
    for path, mode in (
        (settings.path(), _ROOT),
        (settings.tables, OWN),
        (settings.archive, OWN),
        (settings.checkpoints, OWN),
        (settings.landing, _LANDING),
    ):
        if not files.exists(path):
            files.mkdirs(path, mode)
    let_read(files, settings)
    return create_tables(spark, settings)


def let_read(files: FileSystem, settings: Settings) -> bool:
    """Let the ``reader`` of the settings read the tables, those that are there and those to come.

    The stream can do without, so where HDFS keeps no access lists, or they are another's to
    change, there is a warning and nothing more.

    Returns:
        Whether the permission was given now.
    """
    entry = f"user:{settings.reader}:r-x"
    try:
        if not settings.reader or entry in files.access_list(settings.tables):
            return False
        _let_read_below(files, settings.tables, settings.reader)
    except ServiceError:
        raise
    except (AccessError, TransientError) as error:
        log.warning(
            "reader not let in",
            why=str(error),
            remedy="run `flo init` as their owner, where HDFS keeps access lists, or clear reader",
        )
        return False
    return True


def _let_read_below(files: FileSystem, folder: str, reader: str) -> None:
    """Add the entries from below, so that those of the folder itself say that all is done."""
    for info in files.list(folder):
        if info.is_dir:
            _let_read_below(files, info.path, reader)
        else:
            files.add_access(info.path, [f"user:{reader}:r--"])
    files.add_access(folder, [f"user:{reader}:r-x", f"default:user:{reader}:r-x"])
