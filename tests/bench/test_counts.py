"""What a batch does, counted: as cheap as the change, not as the table, on any machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.counting import Counts, counting
from bench.digest import Digest, spark_query
from bench.oracle import Step, expect
from lake.tables import FEATURES, table_path
from samples import write_drops
from tests.lakes import DropLake

CUSTOMERS, ROWS = 20_000, 1_000
# What a batch may cost; measured, and held so that it does not creep up unseen.
MOST_JOBS, MOST_TASKS = 15, 33
# By the plan, which looks for the customers concerned; the commit knows where they lie.
MOST_FULL_SCANS = 1
MOST_WRITTEN = 3.0
MOST_WRITTEN_IN_TWICE_THE_TABLE = 1.1


@dataclass(frozen=True)
class Batch:
    """A batch's counts, bytes it left below the tables, what it had to do, and what it made."""

    counts: Counts
    written: int
    step: Step
    digest: Digest


def third_drop(lake: DropLake, folder: Path, customers: int) -> Batch:
    """Take a full drop and three change drops in, and count the last one's batch."""
    files = write_drops(folder, customers=customers, drops=4, rows=ROWS, seed=7)
    processor = lake.processor()
    for file in files[:-1]:
        lake.put(file.name, file.read_bytes())
        lake.take(processor=processor)
    lake.put(files[-1].name, files[-1].read_bytes())
    before = bytes_of(lake)
    with counting(lake.spark, table_path(lake.settings, FEATURES)) as counts:
        [account] = lake.take(processor=processor)
    assert account["state"] == "ingested"
    written, step = bytes_of(lake) - before, expect(files[0], files[1:])[-1]
    table = f"delta.`{table_path(lake.settings, FEATURES)}`"
    [row] = lake.spark.sql(spark_query(table, ours=True)).collect()
    return Batch(counts, written, step, Digest.of(row.asDict()))


def bytes_of(lake: DropLake) -> int:
    """Bytes of all tables: data, marks of deleted rows, logs."""
    return sum(info.size for info in lake.files.walk(lake.settings.tables))


@pytest.fixture(scope="module")
def batch(new_lake: Callable[[], DropLake], tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Count a drop that changes a thirtieth of the table."""
    return third_drop(new_lake(), tmp_path_factory.mktemp("drops"), CUSTOMERS)


def test_what_is_counted_is_right(batch: Batch) -> None:
    """Counts are of a batch whose table is the oracle's, to the last cell."""
    assert batch.digest == batch.step.digest


def test_a_batch_has_few_jobs_and_tasks(batch: Batch) -> None:
    """What a small drop costs is its jobs, so their number is held."""
    assert 0 < batch.counts.jobs <= MOST_JOBS
    assert 0 < batch.counts.tasks <= MOST_TASKS


def test_a_batch_scans_the_target_few_times(batch: Batch) -> None:
    """What a drop into a large table costs is the scans of the target's key."""
    assert 0 < batch.counts.full_scans(CUSTOMERS) <= MOST_FULL_SCANS
    assert all("master_id" in scan.columns for scan in batch.counts.scans)


def test_a_batch_writes_what_changed_and_not_the_table(batch: Batch) -> None:
    """All tables and logs together take at most so many times the bytes of the changed rows."""
    assert batch.counts.bytes_written > 0
    assert batch.written <= MOST_WRITTEN * batch.step.changed_bytes


def test_twice_the_customers_do_not_make_a_batch_write_more(
    batch: Batch, new_lake: Callable[[], DropLake], tmp_path: Path
) -> None:
    """A drop of the same size writes the same into a table of twice the size, in as many jobs."""
    larger = third_drop(new_lake(), tmp_path, 2 * CUSTOMERS)
    assert larger.written <= MOST_WRITTEN_IN_TWICE_THE_TABLE * batch.written
    assert larger.counts.jobs <= batch.counts.jobs
    assert larger.counts.full_scans(2 * CUSTOMERS) <= MOST_FULL_SCANS


def test_counting_sees_a_whole_scan(lake: DropLake) -> None:
    """A query over the whole table is one job or more, one full scan, and the columns it reads."""
    for number in range(2):
        frame = lake.spark.range(1000 * number, 1000 * number + 1000)
        path = lake.settings.path("tables", "numbers")
        frame.selectExpr("id", "id AS twice").write.format("delta").mode("append").save(path)
    with counting(lake.spark, path) as counts:
        lake.spark.read.format("delta").load(path).selectExpr("sum(twice)").collect()
    assert counts.jobs > 0
    assert counts.tasks > 0
    assert counts.bytes_read > 0
    assert counts.full_scans(2000) == 1
    assert counts.scans[-1].columns == ("twice",)
