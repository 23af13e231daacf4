"""The recipe that everybody copies: stream CSV, `row_number`, MERGE, default settings.

Runs by itself, as an operator would start it::

    spark-submit bench/recipes/stock_stream.py LANDING TABLE CHECKPOINT

One thing is added to it, since without it the table ends up wrong and its time would say
nothing: a row is replaced only by one that is not older.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

SCHEMA = """
    master_id STRING, order_channel STRING, platform_type STRING, last_order_channel STRING,
    first_order_date TIMESTAMP, last_order_date TIMESTAMP,
    last_order_date_online TIMESTAMP, last_order_date_offline TIMESTAMP,
    order_num_total_ever_online DOUBLE, order_num_total_ever_offline DOUBLE,
    customer_value_total_ever_offline DOUBLE, customer_value_total_ever_online DOUBLE,
    interested_in_categories_12 STRING, online_product_group_amount_top_name_12 STRING,
    offline_product_group_name_12 STRING, last_order_date_new DATE, store_type STRING
"""


def newest(rows: DataFrame) -> DataFrame:
    """Keep each customer's newest row of a batch."""
    latest = Window.partitionBy("master_id").orderBy(F.col("last_order_date").desc())
    return rows.withColumn("rn", F.row_number().over(latest)).where("rn = 1").drop("rn")


def upsert(spark: SparkSession, table: str, rows: DataFrame) -> None:
    """MERGE a batch into the table; the first one makes it."""
    if not DeltaTable.isDeltaTable(spark, table):
        newest(rows).write.format("delta").save(table)
        return
    (
        DeltaTable.forPath(spark, table)
        .alias("t")
        .merge(newest(rows).alias("s"), "t.master_id = s.master_id")
        .whenMatchedUpdateAll(condition="s.last_order_date >= t.last_order_date")
        .whenNotMatchedInsertAll()
        .execute()
    )


def start(
    spark: SparkSession,
    landing: str,
    checkpoint: str,
    batch: Callable[[DataFrame, int], Any],
    **trigger: Any,
) -> StreamingQuery:
    """Start the stream, with the default trigger where none is named."""
    files = spark.readStream.schema(SCHEMA).option("header", True).option("sep", "|").csv(landing)
    writer = files.writeStream.option("checkpointLocation", checkpoint).foreachBatch(batch)
    return (writer.trigger(**trigger) if trigger else writer).start()


def main() -> None:
    """Run until killed."""
    landing, table, checkpoint = sys.argv[1:]
    spark = SparkSession.builder.appName("stock").getOrCreate()
    start(spark, landing, checkpoint, lambda rows, _: upsert(spark, table, rows)).awaitTermination()


if __name__ == "__main__":
    main()
