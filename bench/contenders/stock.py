"""The stock recipe as a contender: its stream runs, and each drop's batch is timed inside it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.counting import counting
from bench.digest import spark_query
from bench.recipes import stock_stream


class Stock:
    """One table and the stream into it, on the local disk."""

    def start(self, folder: str) -> dict[str, Any]:
        """Start Spark, with defaults."""
        self.folder = Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "landing").mkdir(parents=True)
        self.table = str(self.folder / "table")
        builder = SparkSession.builder.appName("stock").config("spark.sql.session.timeZone", "UTC")
        self.spark = builder.getOrCreate()
        return {"version": f"Spark {self.spark.version}, stock recipe"}

    def load(self, file: str) -> dict[str, Any]:
        """Put the full drop in through the stream; the first batch makes the table."""
        return self.drop(file)

    def drop(self, file: str) -> dict[str, Any]:
        """Put a drop into landing and let the stream take it; ``seconds`` is the batch's own.

        The query ends after each drop, as it would look for files all the time that others are
        timed; starting it and its logs are not in the time.
        """
        shutil.copy2(file, self.folder / "landing")
        before = bytes_below(self.table)
        with counting(self.spark, self.table) as counts:
            stock_stream.start(
                self.spark,
                f"{self.folder}/landing",
                f"{self.folder}/checkpoint",
                self._batch,
                availableNow=True,
            ).awaitTermination()
        written = bytes_below(self.table) - before
        return {"seconds": self.seconds, "written": written, "counts": counts.as_dict()}

    def digest(self) -> dict[str, Any]:
        """Say what the table holds."""
        [row] = self.spark.sql(spark_query(f"delta.`{self.table}`")).collect()
        return {name: str(value) for name, value in row.asDict().items()}

    def _batch(self, rows: DataFrame, _: int) -> None:
        began = time.perf_counter()
        stock_stream.upsert(self.spark, self.table, rows)
        self.seconds = time.perf_counter() - began


if __name__ == "__main__":
    stock = Stock()
    serve({"start": stock.start, "load": stock.load, "drop": stock.drop, "digest": stock.digest})
