"""The tables are made once, and have names in a session, whoever declares them, however often."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake.ddl import create_tables
from lake.delta import declare_names, table_version
from lake.tables import CUSTOMER_SEGMENTS, DATABASE, FEATURES, TABLES, table_path
from tests.lakes import DropLake


@pytest.fixture
def session(spark: SparkSession) -> Iterator[SparkSession]:
    """Have a session without names, and leave none behind; no table is deleted with its name."""
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    yield spark
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")


@contextmanager
def java_log(spark: SparkSession) -> Iterator[Any]:
    """Collect what Java logs from warnings up, in a writer of Java's."""
    jvm: Any = spark._jvm
    log4j = jvm.org.apache.logging.log4j
    writer = jvm.java.io.StringWriter()
    builder = log4j.core.appender.WriterAppender.newBuilder().setTarget(writer)
    appender = builder.setName("flo-test").build()
    appender.start()
    context = log4j.LogManager.getContext(False)
    root = context.getConfiguration().getRootLogger()
    root.addAppender(appender, log4j.Level.WARN, None)
    context.updateLoggers()
    try:
        yield writer
    finally:
        root.removeAppender("flo-test")
        context.updateLoggers()


def names(spark: SparkSession) -> set[str]:
    """List the names."""
    return {row["tableName"] for row in spark.sql(f"SHOW TABLES IN {DATABASE}").collect()}


def test_names_declared_again_are_no_news(lake: DropLake, session: SparkSession) -> None:
    """A table that is made later gets its name, too; of those that have theirs nobody is warned.

    A server that is up while `flo segments` makes its table declares them so.
    """
    declare_names(session, lake.settings)
    assert names(session) == set(TABLES)
    segments = table_path(lake.settings, CUSTOMER_SEGMENTS)
    session.range(1).write.format("delta").save(segments)
    with java_log(session) as said:
        declare_names(session, lake.settings)
    assert names(session) == {*TABLES, CUSTOMER_SEGMENTS}
    assert str(said.toString()) == ""


def test_a_table_whose_making_was_broken_off_is_made(lake: DropLake) -> None:
    """Killed during a first start, a log may have a directory and no commit: that is no table."""
    path = table_path(lake.settings, FEATURES)
    lake.files.delete(path)
    lake.files.mkdirs(f"{path}/_delta_log/_staged_commits", 0o750)
    jvm: Any = lake.spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert create_tables(lake.spark, lake.settings) == [FEATURES]
    assert table_version(lake.spark, lake.settings, FEATURES) >= 0
    assert create_tables(lake.spark, lake.settings) == []
