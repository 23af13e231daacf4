"""The floor of a first load: CSV as strings, cast, plain Parquet."""

from __future__ import annotations

import shutil
import time
from typing import Any

from pyspark.sql import SparkSession

from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.digest import spark_query

_TEXTS = (
    "master_id", "order_channel", "platform_type", "last_order_channel",
    "interested_in_categories_12", "online_product_group_amount_top_name_12",
    "offline_product_group_name_12", "store_type",
)  # fmt: skip
_TIMES = (
    "first_order_date", "last_order_date", "last_order_date_online", "last_order_date_offline",
)  # fmt: skip
_COUNTS = ("order_num_total_ever_online", "order_num_total_ever_offline")
_MONEY = ("customer_value_total_ever_offline", "customer_value_total_ever_online")


class Floor:
    """One folder of Parquet files on the local disk."""

    def start(self, folder: str) -> dict[str, Any]:
        """Start Spark, with the settings that the environment names."""
        self.folder = f"file://{folder}"
        self.place = folder
        builder = SparkSession.builder.appName("floor")
        self.spark = builder.config("spark.sql.catalogImplementation", "in-memory").getOrCreate()
        return {"version": f"Spark {self.spark.version}"}

    def load(self, file: str) -> dict[str, Any]:
        """Write the full drop's rows."""
        shutil.rmtree(self.place, ignore_errors=True)
        began = time.perf_counter()
        texts = self.spark.read.option("header", True).option("sep", "|").csv(f"file://{file}")
        texts.selectExpr(
            *_TEXTS,
            *(f"try_cast({name} AS timestamp) AS {name}" for name in _TIMES),
            *(f"try_cast(try_cast({name} AS double) AS bigint) AS {name}" for name in _COUNTS),
            *(f"try_cast({name} AS decimal(18,2)) AS {name}" for name in _MONEY),
            "try_cast(last_order_date_new AS date) AS last_order_date_new",
        ).write.parquet(self.folder)
        return {"seconds": time.perf_counter() - began, "written": bytes_below(self.place)}

    def digest(self) -> dict[str, Any]:
        """Say what the files hold."""
        [row] = self.spark.sql(spark_query(f"parquet.`{self.folder}`")).collect()
        return {name: str(value) for name, value in row.asDict().items()}


if __name__ == "__main__":
    one = Floor()
    serve({"start": one.start, "load": one.load, "digest": one.digest})
