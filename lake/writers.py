"""The features' writer that the settings choose."""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.features_writer import FeaturesWriter
from lake.fence import Fence
from lake.merging import Merge
from lake.replacing import Replacement

_WRITERS: dict[str, type[Replacement | Merge]] = {"deletion_vectors": Replacement, "merge": Merge}


def open_writer(spark: SparkSession, fence: Fence) -> FeaturesWriter:
    """Begin a commit on the features at their newest version, before anything is read of them.

    Raises:
        ConfigError: the writer cannot do with this Delta or this table.
        LockedError: the epoch of the fence has passed.
    """
    return _WRITERS[fence.settings.features_writer](spark, fence)
