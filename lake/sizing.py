"""How a session is set up for a batch, by how many rows it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import SparkSession

_LARGEST_METHOD = "spark.sql.codegen.hugeMethodLimit"
# Java leaves a method of more bytes to its interpreter.
_JAVA_COMPILES = "8000"
_MANY_ROWS = 100_000
_PARTITIONS = "spark.sql.shuffle.partitions"
_ROWS_OF_PARTITION = 500_000
_FIT_IN_MEMORY = 1_000_000
_CODE = "spark.sql.codegen.factoryMode"
_NO_CODE = "NO_CODEGEN"
_CODE_WHERE_IT_CAN = "FALLBACK"
_FEW_ROWS = 2_000


@contextmanager
def sized_for(rows: int, spark: SparkSession) -> Iterator[None]:
    """Set a session up for a batch of so many rows, for the time of the block.

    * By default Spark makes one method of all that is done to a row; ours are larger than what Java
      compiles. In small ones a first load of a million rows took 50.5 s for 53.3 s. To make those
      costs more than it saves where rows are few: a ten-row drop took 3.0 s for 2.8 s.
    * A partition is sorted as a whole. The few that suit a small batch are too large for a large
      one: in four of them a first load of 8,000,000 rows ran out of the driver's 3 GB.
    * Spark writes code for each projection of each task, and looks up only then whether it has been
      compiled before. Few rows are done by its interpreter before that: a ten-row drop took 2.2 s
      for 2.45 s, the first one after a start 8.8 s for 10.3 s. One of 10,000 rows took longer.
    """
    settings = {_CODE: _NO_CODE if rows <= _FEW_ROWS else _CODE_WHERE_IT_CAN}
    if rows >= _MANY_ROWS:
        settings[_LARGEST_METHOD] = _JAVA_COMPILES
    partitions = -(-rows // _ROWS_OF_PARTITION)
    if partitions > int(str(spark.conf.get(_PARTITIONS))):
        settings[_PARTITIONS] = str(partitions)
    with _set(settings, spark):
        yield


@contextmanager
def compiling(spark: SparkSession) -> Iterator[None]:
    """Have what is planned in the block compiled, however small the batch is: it reads a table.

    A frame that is persisted is planned there and then; what is made of it may be interpreted.
    """
    with _set({_CODE: _CODE_WHERE_IT_CAN}, spark):
        yield


@contextmanager
def _set(settings: dict[str, str], spark: SparkSession) -> Iterator[None]:
    before = {name: str(spark.conf.get(name)) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def kept_as(rows: int) -> StorageLevel:
    """Say where so many rows are kept that are read more than once.

    More than what fits in memory would be pushed out of it again and again, and take the room that
    sorts and Parquet's writers need: a first load of 8,000,000 rows took 214 s so, and 198 s from
    disk; a second one ran out of memory.
    """
    return StorageLevel.MEMORY_AND_DISK if rows <= _FIT_IN_MEMORY else StorageLevel.DISK_ONLY
