"""Spark's, Delta's and Hadoop's own lines have the format that the settings ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession

from flo.logs import configure_java_logs


@pytest.fixture
def layout(spark: SparkSession) -> Iterator[Callable[[], Any]]:
    """Find what writes the lines of this session's JVM; leave it as it was."""
    jvm: Any = spark._jvm
    manager = jvm.org.apache.logging.log4j.LogManager
    contexts = manager.getFactory().getSelector().getLoggerContexts()
    assert contexts.size() == 1, "Spark would log by another configuration"
    yield lambda: manager.getContext(False).getConfiguration().getAppender("console").getLayout()
    configure_java_logs(jvm, "human")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Putting block rdd_5_0 failed due to exception org.apache.spark.SparkNumberFormat"
            "Exception: [CAST_INVALID_INPUT] The value 'kanarienvogel' cannot be cast.",
            "Putting block rdd_5_0 failed due to exception org.apache.spark.SparkNumberFormat"
            "Exception",
        ),
        (
            "Aborting: [CAST_INVALID_INPUT] The value\n'kanarienvogel'",
            "Aborting: [CAST_INVALID_INPUT]",
        ),
        ("Failed: java.lang.OutOfMemoryError: kanarienvogel", "Failed: java.lang.OutOfMemoryError"),
        ("Error while [reading] 3 of [A, B]", "Error while [reading] 3 of [A, B]"),
    ],
)
def test_a_message_ends_where_it_tells_of_an_exception(
    spark: SparkSession, layout: Callable[[], Any], said: str, told: str
) -> None:
    """What an exception says can quote a row: its name is enough, or Spark's for the condition."""
    jvm: Any = spark._jvm
    configure_java_logs(jvm, "json")
    assert json.loads(line_of(jvm, layout(), said))["why"] == told
    configure_java_logs(jvm, "human")
    assert line_of(jvm, layout(), said).endswith(f"Some: {told}\n")


def line_of(jvm: Any, layout: Any, text: str) -> str:
    """Have a warning written, with an exception that quotes a row."""
    core = jvm.org.apache.logging.log4j.core.impl.Log4jLogEvent.newBuilder()
    level = jvm.org.apache.logging.log4j.Level.WARN
    message = jvm.org.apache.logging.log4j.message.SimpleMessage(text)
    row = jvm.java.lang.RuntimeException("kanarienvogel")
    logger = "org.apache.spark.Some"
    event = core.setLoggerName(logger).setLevel(level).setMessage(message).setThrown(row).build()
    return str(layout.toSerializable(event))


def test_a_warning_of_sparks_is_a_line_of_the_log(
    spark: SparkSession, layout: Callable[[], Any]
) -> None:
    """As JSON one object a line, with our names; else as ever. Its exception is in neither."""
    jvm: Any = spark._jvm
    human = line_of(jvm, layout(), "it is")
    assert human.endswith(" WARN  Some: it is\n")
    configure_java_logs(jvm, "json")
    written = line_of(jvm, layout(), 'it "is"\n\x1b ş')
    assert written.count("\n") == 1
    found = json.loads(written)
    assert list(found) == ["timestamp", "level", "event", "logger", "why"]
    assert found["timestamp"].endswith("Z")
    del found["timestamp"]
    assert found == {
        "level": "warning", "event": "java", "logger": "Some", "why": 'it "is"\n\x1b ş'
    }  # fmt: skip
    configure_java_logs(jvm, "human")
    assert line_of(jvm, layout(), "it is").endswith(" WARN  Some: it is\n")
    assert "kanarienvogel" not in human + written
