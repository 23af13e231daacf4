"""delta-rs: MERGE with the Python package `deltalake`, no JVM."""

from __future__ import annotations

import shutil
import time
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
from pyarrow import csv

from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.digest import duckdb_query

_TIME = pa.timestamp("us", tz="UTC")
_TYPES = {
    "first_order_date": _TIME,
    "last_order_date": _TIME,
    "last_order_date_online": _TIME,
    "last_order_date_offline": _TIME,
    "order_num_total_ever_online": pa.float64(),
    "order_num_total_ever_offline": pa.float64(),
    "customer_value_total_ever_offline": pa.float64(),
    "customer_value_total_ever_online": pa.float64(),
    "last_order_date_new": pa.date32(),
}
_NAMES = (
    "master_id", "order_channel", "platform_type", "last_order_channel",
    "interested_in_categories_12", "online_product_group_amount_top_name_12",
    "offline_product_group_name_12", "store_type",
)  # fmt: skip


class DeltaRs:
    """One Delta table on the local disk."""

    def start(self, folder: str) -> dict[str, Any]:
        """Prepare its place."""
        self.table = folder
        shutil.rmtree(folder, ignore_errors=True)
        return {"version": f"delta-rs {deltalake.__version__}"}

    def load(self, file: str) -> dict[str, Any]:
        """Make the table of the full drop, batch by batch."""
        began = time.perf_counter()
        deltalake.write_deltalake(self.table, csv.open_csv(file, **_options()))
        return {"seconds": time.perf_counter() - began, "written": bytes_below(self.table)}

    def drop(self, file: str) -> dict[str, Any]:
        """MERGE one drop's rows."""
        before = bytes_below(self.table)
        began = time.perf_counter()
        (
            deltalake.DeltaTable(self.table)
            .merge(
                csv.read_csv(file, **_options()),
                "t.master_id = s.master_id",
                source_alias="s",
                target_alias="t",
            )
            .when_matched_update_all(predicate="s.last_order_date >= t.last_order_date")
            .when_not_matched_insert_all()
            .execute()
        )
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "written": bytes_below(self.table) - before}

    def digest(self) -> dict[str, Any]:
        """Say what the table holds, read by DuckDB."""
        files = ", ".join(f"'{uri}'" for uri in deltalake.DeltaTable(self.table).file_uris())
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            found = database.sql(duckdb_query(f"read_parquet([{files}])"))
            [row] = found.fetchall()
            return dict(zip(found.columns, map(str, row), strict=True))


def _options() -> dict[str, Any]:
    types = {**_TYPES, **dict.fromkeys(_NAMES, pa.string())}
    return {
        "parse_options": csv.ParseOptions(delimiter="|"),
        "convert_options": csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, null_values=[""]
        ),
    }


if __name__ == "__main__":
    one = DeltaRs()
    serve({"start": one.start, "load": one.load, "drop": one.drop, "digest": one.digest})
