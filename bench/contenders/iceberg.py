"""Iceberg merge-on-read: MERGE INTO a table of format 3, whose updates are deletion vectors."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from pyspark.sql import SparkSession

from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.digest import spark_query

SCHEMA = """
    master_id STRING, order_channel STRING, platform_type STRING, last_order_channel STRING,
    first_order_date TIMESTAMP, last_order_date TIMESTAMP,
    last_order_date_online TIMESTAMP, last_order_date_offline TIMESTAMP,
    order_num_total_ever_online DOUBLE, order_num_total_ever_offline DOUBLE,
    customer_value_total_ever_offline DOUBLE, customer_value_total_ever_online DOUBLE,
    interested_in_categories_12 STRING, online_product_group_amount_top_name_12 STRING,
    offline_product_group_name_12 STRING, last_order_date_new DATE, store_type STRING
"""
TABLE = "lake.flo.customers"
PROPERTIES = {
    "format-version": "3",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
}
MERGE = f"""
    MERGE INTO {TABLE} t USING changes s ON t.master_id = s.master_id
    WHEN MATCHED AND s.last_order_date >= t.last_order_date THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
"""


class Iceberg:
    """One table in a Hadoop catalogue on the local disk."""

    def start(self, folder: str) -> dict[str, Any]:
        """Start Spark with Iceberg's runtime."""
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        extensions = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        self.spark = (
            SparkSession.builder.appName("iceberg")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.extensions", extensions)
            .config("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog")
            .config("spark.sql.catalog.lake.type", "hadoop")
            .config("spark.sql.catalog.lake.warehouse", f"file://{folder}")
            .getOrCreate()
        )
        return {"version": f"Iceberg {os.environ['BENCH_ICEBERG']} on Spark {self.spark.version}"}

    def load(self, file: str) -> dict[str, Any]:
        """Make the table of the full drop."""
        began = time.perf_counter()
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in PROPERTIES.items())
        self._read(file)
        self.spark.sql(
            f"CREATE TABLE {TABLE} USING iceberg TBLPROPERTIES ({properties}) "  # noqa: S608
            "AS SELECT * FROM changes"
        )
        return {"seconds": time.perf_counter() - began, "written": bytes_below(self.folder)}

    def drop(self, file: str) -> dict[str, Any]:
        """MERGE one drop's rows."""
        before = bytes_below(self.folder)
        began = time.perf_counter()
        self._read(file)
        self.spark.sql(MERGE)
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "written": bytes_below(self.folder) - before}

    def digest(self) -> dict[str, Any]:
        """Say what the table holds."""
        [row] = self.spark.sql(spark_query(TABLE)).collect()
        return {name: str(value) for name, value in row.asDict().items()}

    def _read(self, file: str) -> None:
        reader = self.spark.read.schema(SCHEMA).option("header", True).option("sep", "|")
        reader.csv(f"file://{file}").createOrReplaceTempView("changes")


if __name__ == "__main__":
    one = Iceberg()
    serve({"start": one.start, "load": one.load, "drop": one.drop, "digest": one.digest})
