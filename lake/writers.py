"""The features' writer that the settings choose."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.features_writer import FeaturesWriter
from lake.fence import Fence
from lake.merging import Merge
from lake.replacing import Replacement, require_tried_delta
from lake.settings import Settings

_WRITERS: dict[str, type[Replacement | Merge]] = {"deletion_vectors": Replacement, "merge": Merge}


def require_writer(spark: SparkSession, settings: Settings) -> None:
    """Make sure that the writer can do with this Delta: before inner parts of it are used at all.

    Raises:
        ConfigError: it cannot; the message says what to set.
    """
    if _WRITERS[settings.features_writer] is Replacement:
        require_tried_delta(spark)


def open_writer(spark: SparkSession, fence: Fence) -> FeaturesWriter:
    """Begin a commit on the features at their newest version, before anything is read of them.

    Raises:
        ConfigError: the writer cannot do with this Delta or this table.
        LockedError: the epoch of the fence has passed.
    """
    return _WRITERS[fence.settings.features_writer](spark, fence)
