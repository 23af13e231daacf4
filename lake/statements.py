"""SQL over frames that have names in it."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession


def ask(spark: SparkSession, statement: str, **frames: DataFrame) -> DataFrame:
    """Make a frame by SQL in which ``{name}`` stands for the frame of that name.

    PySpark makes a view of each frame and drops it again, and whoever drops a view takes what it
    stands for out of Spark's cache. So each view is of a plan that nobody has persisted: Spark
    takes a condition that is always true off again, but not before.
    """
    named: dict[str, Any] = {name: frame.where("true") for name, frame in frames.items()}
    return spark.sql(statement, **named)
