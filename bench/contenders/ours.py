"""This project as a contender: the batch of the stream, on the local disk or on HDFS."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from batch.kpis_job import compute_kpis
from batch.upkeep.unattended import Upkeep
from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.counting import counting
from bench.digest import spark_query
from checkpoints.ledger import Ledger, LedgerRow, State
from lake.contract import load_contract
from lake.fence import Fence
from lake.fs import FileInfo, FileSystem, from_millis
from lake.initialise import initialise
from lake.session import build_session
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    PLATFORM_KPIS,
    TABLES,
    table_path,
)
from streaming.processor import Processor

EARLIER_MS = 1_600_000_000_000
"""Modification time of the files whose accounts are made up."""


class Ours:
    """One lake and the part of the stream that takes batches in.

    What belongs to a batch is all of it: from the file in landing to the archive,
    with snapshots, quarantine, ledger and whatever properties the project gives its tables.
    """

    spark: SparkSession
    processor: Processor

    def start(self, root: str) -> dict[str, Any]:
        """Open the session as `flo` does; the environment says which file system."""
        self.settings = Settings.load().model_copy(update={"root": root})
        self.spark = build_session(self.settings, "flo-bench")
        self.files = FileSystem.of(self.spark)
        return {"version": f"FLO Omnichannel on Spark {self.spark.version}"}

    def init(self) -> dict[str, Any]:
        """Make the directories and tables that are not there yet."""
        return {"made": initialise(self.spark, self.settings)}

    def load(self, file: str) -> dict[str, Any]:
        """Make an empty lake and take the full drop in; the tables are made before the clock."""
        self.files.delete(self.settings.path())
        initialise(self.spark, self.settings)
        spool = Path(tempfile.mkdtemp(prefix="flo-bench-spool-")) / "batch"
        self.processor = Processor(
            self.spark, self._fence(), load_contract(self.settings.contract), spool
        )
        self.upkeep = Upkeep(self.spark, self.settings)
        return self.drop(file)

    def _fence(self) -> Fence:
        """Be the one writer: nobody else is here."""
        return Fence.raised(self.spark, self.settings, lambda: None)

    def drop(self, file: str) -> dict[str, Any]:
        """Take one drop in; see `batch`."""
        return self.batch([file])

    def batch(self, files: list[str]) -> dict[str, Any]:
        """Take drops in as one batch, and count it; upkeep is timed beside it."""
        tables = Path(self.settings.path("tables").removeprefix("file:"))
        landed = [self._land(file) for file in files]
        before = bytes_below(str(tables))
        with counting(self.spark, str(tables / FEATURES)) as counts:
            began = time.perf_counter()
            accounts = self.processor.process(self.spark, landed)
            seconds = time.perf_counter() - began
        for account in accounts:
            if account.state != State.INGESTED:
                raise RuntimeError(f"a drop is {account.state}: {account.reason}")
        written = bytes_below(str(tables)) - before
        began = time.perf_counter()
        self.upkeep.after_batch()
        return {
            "seconds": seconds,
            "rows": sum(account.rows_read or 0 for account in accounts),
            "written": written,
            "upkeep": time.perf_counter() - began,
            "counts": counts.as_dict(),
        }

    def _land(self, file: str) -> FileInfo:
        landed = Path(self.settings.landing.removeprefix("file:")) / Path(file).name
        shutil.copy2(file, landed)
        found = self.files.status(str(landed))
        if found is None:
            raise RuntimeError(f"{landed} is gone")
        return found

    def configure(self, settings: dict[str, str]) -> dict[str, Any]:
        """Change settings of the session, and give what they were."""
        before = {name: str(self.spark.conf.get(name)) for name in settings}
        for name, value in settings.items():
            self.spark.conf.set(name, value)
        return before

    def digest(self) -> dict[str, Any]:
        """Say what the features hold, whoever wrote them."""
        table = f"delta.`{table_path(self.settings, FEATURES)}`"
        [row] = self.spark.sql(spark_query(table, ours=True)).collect()
        return {name: str(value) for name, value in row.asDict().items()}

    def digest_of(self, table: str) -> dict[str, Any]:
        """Say what a table of the stock recipe or the floor holds: ``delta.`…` `` or the like."""
        [row] = self.spark.sql(spark_query(table)).collect()
        return {name: str(value) for name, value in row.asDict().items()}

    def kpis(self, full: bool) -> dict[str, Any]:
        """Compute the KPIs, from the changes or from all rows."""
        began = time.perf_counter()
        compute_kpis(self.spark, self.settings, full=full)
        return {"seconds": time.perf_counter() - began}

    def kpi_rows(self) -> dict[str, Any]:
        """Give the KPI tables' rows as texts."""
        read = self.spark.read.format("delta")
        names = (CHANNEL_KPIS, PLATFORM_KPIS, CHANNEL_PLATFORM_KPIS)
        frames = {name: read.load(table_path(self.settings, name)) for name in names}
        return {
            name: [{key: str(value) for key, value in row.asDict().items()} for row in f.collect()]
            for name, f in frames.items()
        }

    def seed_ledger(self, files: int, per_commit: int) -> dict[str, Any]:
        """Write accounts of that many ingested files, as so many batches would have.

        Their drops were empty, so that no table but the ledger has anything of them.
        """
        ledger, now = Ledger(self.spark, self._fence()), datetime.now(UTC)
        landing = urlsplit(self.settings.landing).path
        for first in range(0, files, per_commit):
            accounts = [
                LedgerRow(
                    path=f"{landing}/earlier_{number:06d}.csv",
                    bytes=1000,
                    modified_at=from_millis(EARLIER_MS),
                    state=State.INGESTED,
                    started_at=now,
                    drop_id=f"{number:064x}",
                    archived_path=self.settings.path("archive", f"earlier_{number:06d}.csv"),
                    columns=tuple(TABLES[FEATURES].column_names),
                )
                for number in range(first, min(first + per_commit, files))
            ]
            ledger.append(self.spark, accounts)
        return {}


if __name__ == "__main__":
    one = Ours()
    names = (
        "start", "init", "load", "drop", "batch", "digest", "digest_of", "kpis", "kpi_rows",
        "seed_ledger", "configure",
    )  # fmt: skip
    serve({name: getattr(one, name) for name in names})
