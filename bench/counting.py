"""What Spark did, counted: the same on any machine, and so what a test can hold.

Read from Spark's own status stores after the work is done, so that counting costs it nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.sql import SparkSession

# Plans name a table by its path; Spark shortens what is longer than this.
_LENGTH = "spark.sql.maxMetadataStringLength"


@dataclass(frozen=True)
class Scan:
    """One scan of the table: how many rows came out of it, and which columns were read."""

    rows: int
    columns: tuple[str, ...]


@dataclass
class Counts:
    """What was done meanwhile, all of the session's jobs together.

    Attributes:
        jobs: Spark jobs.
        tasks: tasks that ran.
        bytes_read: what the tasks read from files, in bytes.
        bytes_written: what the tasks wrote to files, in bytes; not Delta's logs and marks.
        scans: scans of the table that was named.
    """

    jobs: int = 0
    tasks: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    scans: list[Scan] = field(default_factory=list)

    def full_scans(self, customers: int) -> int:
        """How many scans gave at least half of the table's rows."""
        return sum(2 * scan.rows >= customers for scan in self.scans)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


@contextmanager
def counting(spark: SparkSession, table: str) -> Iterator[Counts]:
    """Count what Spark does inside the block; the counts are there when it ends.

    Args:
        spark: the session whose context is watched.
        table: the path of the table whose scans count, without scheme.
    """
    counts = Counts()
    length = spark.conf.get(_LENGTH)
    spark.conf.set(_LENGTH, "10000")
    first_job, first_execution = _next_job(spark), _next_execution(spark)
    try:
        yield counts
    finally:
        spark.conf.set(_LENGTH, str(length))
    spark._jsc.sc().listenerBus().waitUntilEmpty()
    _count_jobs(spark, counts, range(first_job, _next_job(spark)))
    counts.scans = _scans(spark, table, first_execution)


def _next_job(spark: SparkSession) -> int:
    return int(spark._jsc.sc().dagScheduler().numTotalJobs())


def _count_jobs(spark: SparkSession, counts: Counts, jobs: range) -> None:
    store = spark._jsc.sc().statusStore()
    counts.jobs = len(jobs)
    seen: set[int] = set()
    for job in jobs:
        for stage_id in _list(spark, store.job(job).stageIds()):
            if stage_id in seen:
                continue
            seen.add(stage_id)
            for attempt in _attempts(spark, stage_id):
                counts.tasks += attempt.numCompleteTasks()
                counts.bytes_read += attempt.inputBytes()
                counts.bytes_written += attempt.outputBytes()


def _attempts(spark: SparkSession, stage_id: int) -> list[Any]:
    """What is known of a stage; nothing where it was skipped and a full store has let it go."""
    jvm: Any = spark._jvm
    any_status = jvm.java.util.ArrayList()
    store = spark._jsc.sc().statusStore()
    return _list(spark, store.stageData(stage_id, False, any_status, False, None))


def _executions(spark: SparkSession) -> list[Any]:
    store = spark._jsparkSession.sharedState().statusStore()
    return _list(spark, store.executionsList())


def _next_execution(spark: SparkSession) -> int:
    spark._jsc.sc().listenerBus().waitUntilEmpty()
    known = _executions(spark)
    return int(known[-1].executionId()) + 1 if known else 0


def _scans(spark: SparkSession, table: str, first: int) -> list[Scan]:
    """Find the scans of a table; one that several plans share (a cached one) counts once."""
    store = spark._jsparkSession.sharedState().statusStore()
    found: dict[int, Scan] = {}
    for execution in reversed(_executions(spark)):
        number = execution.executionId()
        if number < first:
            break
        values = store.executionMetrics(number)
        for node in _list(spark, store.planGraph(number).allNodes()):
            if not node.name().startswith("Scan") or f"{table}]" not in node.desc():
                continue
            for metric in _list(spark, node.metrics()):
                key = metric.accumulatorId()
                if metric.name() == "number of output rows" and values.contains(key):
                    rows = int(str(values.apply(key)).replace(",", ""))
                    found[key] = Scan(rows, _columns(node.desc()))
    return [found[key] for key in sorted(found)]


def _columns(described: str) -> tuple[str, ...]:
    """The top-level columns in a scan's description, as ``ReadSchema: struct<a:string,…>``."""
    schema = re.search(r"ReadSchema: struct<(.*)>", described)
    flat, before = schema[1] if schema else "", None
    while flat != before:
        before, flat = flat, re.sub(r"(<[^<>]*>)|(\([^()]*\))", "", flat)
    return tuple(part.split(":")[0] for part in flat.split(",") if part)


def _list(spark: SparkSession, sequence: Any) -> list[Any]:
    jvm: Any = spark._jvm
    return list(jvm.scala.jdk.javaapi.CollectionConverters.asJava(sequence))
