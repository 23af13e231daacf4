"""A lake for tests: put drops into landing, take them in, and look at the tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from lake.contract import Contract, load_contract
from lake.delta import table_version
from lake.fence import FENCED, Fence, epoch_of
from lake.fs import FileInfo, FileSystem
from lake.initialise import initialise
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, TABLES, table_path
from streaming.processor import Processor
from streaming.rounds import settle_landing
from tests.reading import read_rows

HEADER = (
    "master_id,order_channel,last_order_channel,first_order_date,last_order_date,"
    "last_order_date_online,last_order_date_offline,order_num_total_ever_online,"
    "order_num_total_ever_offline,customer_value_total_ever_offline,"
    "customer_value_total_ever_online,interested_in_categories_12"
)


class DropLake:
    """Directories and tables under one root, and what the stream does to them, step by step."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings
        self.files = FileSystem.of(spark)
        self.contract: Contract = load_contract(settings.contract)
        self._open: Processor | None = None
        self._ledger_version = -1

    def initialise(self) -> None:
        """Make directories and tables."""
        initialise(self.spark, self.settings)

    def copy(self, **settings: Any) -> DropLake:
        """Make a lake of the same files under a root of its own: quicker than making tables."""
        root, patience = f"/tests/{uuid4().hex[:12]}", self.settings.retry_seconds
        made = DropLake(self.spark, Settings(root=root, retry_seconds=patience, **settings))
        jvm: Any = self.spark._jvm
        conf = self.spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]

        def copy(folder: str) -> None:
            source, target = (
                jvm.org.apache.hadoop.fs.Path(each.settings.path(folder)) for each in (self, made)
            )
            fs = source.getFileSystem(conf)
            jvm.org.apache.hadoop.fs.FileUtil.copy(fs, source, fs, target, False, conf)

        folders = [each.name for each in self.files.list(self.settings.path())]
        folders.remove("tables")
        folders += [f"tables/{each.name}" for each in self.files.list(self.settings.tables)]
        # Some forty small files, for which HDFS takes half a second one after the other.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(copy, folders))
        return made

    def put(self, name: str, content: str | bytes, *, modified_ms: int | None = None) -> FileInfo:
        """Put a file into landing, as if it had been made at a certain time."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "drop"
            local.write_bytes(content.encode() if isinstance(content, str) else content)
            path = f"{self.settings.landing}/{name}"
            self.files.upload(local, path)
        if modified_ms is not None:
            jvm: Any = self.spark._jvm
            target = jvm.org.apache.hadoop.fs.Path(path)
            conf = self.spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
            target.getFileSystem(conf).setTimes(target, modified_ms, -1)
        info = self.files.status(path)
        assert info is not None
        return info

    def processor(self) -> Processor:
        """Open the part of the stream that takes batches in, as a start of the stream does."""
        spool = Path(tempfile.mkdtemp(prefix="flo-test-spool-")) / "batch"
        processor = Processor(self.spark, self.fence(), self.contract, spool)
        processor.end_last_batch(self.spark)
        return processor

    def fence(self) -> Fence:
        """Write by the epoch that the tables are in; the first to ask raises it."""
        epochs = {epoch_of(self.spark, self.settings, table) for table in FENCED}
        if len(epochs) == 1 and 0 not in epochs:
            return Fence(self.settings, epochs.pop())
        return Fence.raised(self.spark, self.settings, lambda: None)

    def take(self, *names: str, processor: Processor | None = None) -> list[dict[str, Any]]:
        """Take these files of landing (all where none is named) in as one batch.

        As in a stream, one processor takes one batch after the other. A new one is opened where a
        batch broke off, or somebody else has written the ledger.

        Returns the accounts that were added, as dictionaries.
        """
        running, self._open = processor or self._running(), None
        new = settle_landing(self.spark, running)
        rows = running.process(self.spark, [f for f in new if not names or f.name in names])
        if processor is None:
            self._open = running
            self._ledger_version = table_version(self.spark, self.settings, LEDGER)
        return [asdict(row) for row in rows]

    def _running(self) -> Processor:
        """The processor of the batch before, if what it knows of the ledger still holds."""
        is_newest = self._ledger_version == table_version(self.spark, self.settings, LEDGER)
        return self._open if self._open and is_newest else self.processor()

    def table(self, name: str) -> DataFrame:
        """Read a table."""
        return self.spark.read.format("delta").load(table_path(self.settings, name))

    def read(self, name: str) -> list[dict[str, Any]]:
        """Read a table's rows, in no order."""
        return read_rows(self.spark, self.settings, name)

    def count(self, name: str) -> int:
        """Count a table's rows."""
        return len(self.read(name))

    def rows(self, name: str, *columns: str, order: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Read a table's rows, in a fixed order."""
        wanted = list(columns) or TABLES[name].column_names
        found = sorted(self.read(name), key=lambda row: _place(row, order or wanted[:1]))
        return [tuple(row[column] for column in wanted) for row in found]

    def features(self, *columns: str) -> list[tuple[Any, ...]]:
        """Read the features by ``master_id``: these columns, or all but ``updated_at``."""
        wanted = columns or [c for c in TABLES[FEATURES].column_names if c != "updated_at"]
        return self.rows(FEATURES, *wanted, order=["master_id"])

    def ledger(self) -> list[dict[str, Any]]:
        """Read the ledger in the order of its accounts."""
        order = ("finished_at", "modified_at", "path")
        return sorted(self.read(LEDGER), key=lambda row: _place(row, order))


def _place(row: dict[str, Any], order: Sequence[str]) -> list[tuple[bool, Any]]:
    """Where Spark's ORDER BY puts a row: what is missing comes first."""
    return [(row[name] is not None, row[name]) for name in order]


def csv(*rows: str, header: str = HEADER) -> str:
    """Write a drop in the base layout."""
    return "\n".join([header, *rows, ""])


def row(
    master_id: str = "c1",
    *,
    channel: str = "Offline",
    first: str = "2020-01-01",
    last: str = "2021-01-01",
    online: str = "",
    offline: str | None = None,
    orders_online: str = "0",
    orders_offline: str = "1",
    value_offline: str = "10.00",
    value_online: str = "0.00",
    categories: str = "[]",
) -> str:
    """Write one row of the base layout; by default a customer with one offline order."""
    offline = last if offline is None else offline
    return (
        f"{master_id},{channel},{channel},{first},{last},{online},{offline},"
        f"{orders_online},{orders_offline},{value_offline},{value_online},{categories}"
    )


def versions(lake: DropLake) -> dict[str, int]:
    """Find the newest version of every table."""
    return {name: table_version(lake.spark, lake.settings, name) for name in TABLES}


def is_refused(action: Callable[[], Any]) -> bool:
    """Tell whether HDFS says that the user lacks the permission."""
    try:
        action()
    except Py4JJavaError as error:
        return "Permission denied" in str(error.java_exception)
    return False
