"""From a CSV in HDFS to an answer, with the real programs: stream, batch job, three SQL clients."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.fs import FileSystem
from lake.settings import Settings
from tests.lakes import DropLake, csv, row
from tests.processes import Stream, run, run_json

pytestmark = pytest.mark.integration

QUESTION = (
    "SELECT order_channel, count(*) AS customers, sum(customer_value_total) AS revenue "
    "FROM flo.customer_features GROUP BY order_channel ORDER BY order_channel"
)
PYSPARK = f"""
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.sql("{QUESTION}").collect()
print(json.dumps([[row[0], row[1], str(row[2])] for row in rows]))
"""


@pytest.fixture(scope="module")
def running(
    spark: SparkSession, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[DropLake, Stream, dict[str, str]]]:
    """Start the stream on the default root, as the README says, and leave it running."""
    lake = DropLake(spark, Settings())
    stream = Stream(tmp_path_factory.mktemp("stream") / "stream.log", env=environment)
    try:
        stream.wait_for("event=watching", seconds=180)
        yield lake, stream, environment
    finally:
        stream.close()


def test_three_clients_give_one_answer_while_the_stream_runs(
    running: tuple[DropLake, Stream, dict[str, str]],
) -> None:
    """`flo sql`, plain `spark-sql` and a PySpark session see the same rows by name."""
    lake, stream, env = running
    rows = [row(f"c{at}", channel="Mobile" if at % 3 else "Desktop") for at in range(30)]
    lake.put("first.csv", csv(*rows))
    stream.wait_for("event=drop", seconds=120)
    ours = [tuple(each.values()) for each in run_json("flo", "sql", QUESTION, env=env)]
    assert ours == [("Desktop", 10, "100.00"), ("Mobile", 20, "200.00")]
    plain = {**env, "SPARK_CONF_DIR": "conf"}
    printed = run("spark-sql", "-e", QUESTION, env=plain).stdout.splitlines()
    theirs = [tuple(line.split("\t")) for line in printed if "\t" in line]
    assert theirs == [(name, str(count), value) for name, count, value in ours]
    answer = run("python", "-c", PYSPARK, env=plain).stdout.strip().splitlines()[-1]
    assert [tuple(each) for each in json.loads(answer)] == ours
    assert stream.process.poll() is None


def test_kpis_are_one_command(running: tuple[DropLake, Stream, dict[str, str]]) -> None:
    """`flo kpis` computes while the stream runs, and prints what it computed."""
    _, _, env = running
    rows = run_json("flo", "kpis", env=env)
    revenue = {each["order_channel"]: each["total_revenue"] for each in rows[:2]}
    assert revenue == {"Desktop": "100.00", "Mobile": "200.00"}


def test_a_second_stream_is_refused_and_told_who_runs(
    running: tuple[DropLake, Stream, dict[str, str]],
) -> None:
    """Two streams on one lake would fight: the second ends at once, with exit code 2."""
    _, stream, env = running
    second = run("flo", "stream", env=env, check=False)
    assert second.returncode == 2
    assert "Another stream is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert stream.process.poll() is None


def test_a_kill_loses_and_repeats_nothing(
    running: tuple[DropLake, Stream, dict[str, str]], tmp_path: Path
) -> None:
    """Killed with drops in hand and started again, every row is there once; SIGTERM ends it."""
    lake, stream, env = running
    newer = [row(f"c{at}", last="2021-03-01", value_offline="12.50") for at in range(30, 60)]
    lake.put("second.csv", csv(*newer))
    lake.put("third.csv", csv(row("c1", last="2021-04-01", value_offline="99.99"), row("c99")))
    stream.kill()
    again = Stream(tmp_path / "again.log", env=env)
    try:
        again.wait_for("event=watching", seconds=120)
        again.wait_for("event=drop", count=2, seconds=120)
        again.process.send_signal(signal.SIGTERM)
        assert again.end() == 0, again.text()[-2000:]
    finally:
        again.close()
    files = FileSystem.of(lake.spark)
    assert files.list(lake.settings.landing) == []
    states = [each["state"] for each in lake.ledger()]
    assert states == ["ingested"] * 3
    ids = [each for (each,) in lake.features("master_id")]
    assert ids == sorted({f"c{at}" for at in range(60)} | {"c99"})
    assert lake.table("customer_snapshots").count() == 62
