"""How Spark compiles what a batch's rows go through: as one large method, or as many small ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

_LARGEST_METHOD = "spark.sql.codegen.hugeMethodLimit"
# Java leaves a method of more bytes to its interpreter.
_JAVA_COMPILES = "8000"
_MANY_ROWS = 100_000


@contextmanager
def compiling_for(rows: int, spark: SparkSession) -> Iterator[None]:
    """Set a session up for batches of so many rows, for the time of the block.

    By default Spark makes one method of all that is done to a row; ours are larger than what Java
    compiles. In small ones a first load of a million rows took 50.5 s for 53.3 s. To make those
    costs more than it saves where rows are few: a ten-row drop took 3.0 s for 2.8 s.
    """
    before = spark.conf.get(_LARGEST_METHOD)
    if rows >= _MANY_ROWS:
        spark.conf.set(_LARGEST_METHOD, _JAVA_COMPILES)
    try:
        yield
    finally:
        spark.conf.set(_LARGEST_METHOD, str(before))
