"""The stream over the list of landed files: which ones are new, never what is in them."""

from __future__ import annotations

from fnmatch import fnmatch

from pyspark.sql import DataFrame, SparkSession

from lake.fs import FileInfo
from lake.reading import Files
from lake.settings import Settings

NAMES = "*.{[cC][sS][vV],[cC][sS][vV].[gG][zZ]}"
"""What a drop's name looks like, as Hadoop globs it."""

# The source of binary files knows its own schema, but only for files that are there already.
_FILES = "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY"

UNFINISHED = ("_*", ".*", "*._COPYING_", "*.tmp", "*.part", "*.partial", "*.filepart")
"""Names under which programs write what they rename when it is whole."""

SPARK_HAS_DONE = "_SUCCESS"
"""What a Spark job puts into the directory that it has written, when it has done."""


def is_drop_name(name: str) -> bool:
    """Tell whether the source would take a file of this name."""
    return not name.startswith(("_", ".")) and name.lower().endswith((".csv", ".csv.gz"))


def is_unfinished(name: str) -> bool:
    """Tell whether a file of this name waits for its rename."""
    return any(fnmatch(name, pattern) for pattern in UNFINISHED)


def is_at_work(name: str) -> bool:
    """Tell whether a name in a directory is of somebody who is still at work there.

    What Spark and Hadoop leave beside finished files is not: ``_SUCCESS``, ``.x.crc``.
    """
    is_left = name == SPARK_HAS_DONE or (name.startswith(".") and name.endswith(".crc"))
    return is_unfinished(name) and not is_left


def is_drop(info: FileInfo) -> bool:
    """Tell whether the source would take this: a file, and of such a name."""
    return not info.is_dir and is_drop_name(info.name)


def drops_in_landing(files: Files, settings: Settings) -> list[FileInfo]:
    """List the drops that lie in landing, by name; some may still be being written."""
    return [info for info in files.list(settings.landing) if is_drop(info)]


def landed_files(spark: SparkSession, settings: Settings) -> DataFrame:
    """Stream the files of the landing directory, one row a file, without their content.

    ``maxFileAge`` is as good as unlimited: the source would silently ignore a file whose
    modification time is much older than the newest one's. Without ``recursiveFileLookup`` it would
    take a directory that is called ``a=1`` for a partition, and stop at ``b=2`` beside it.
    """
    return (
        spark.readStream.format("binaryFile")
        .option("pathGlobFilter", NAMES)
        .option("maxFileAge", "36500d")
        .option("recursiveFileLookup", "true")
        .schema(_FILES)
        .load(settings.landing)
        .select("path")
    )
