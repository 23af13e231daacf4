"""DuckDB: MERGE INTO a table of its own file; what a program without a JVM can do."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import duckdb

from bench.contenders.disk import bytes_below
from bench.contenders.protocol import serve
from bench.digest import duckdb_query

_COLUMNS = {
    "master_id": "VARCHAR",
    "order_channel": "VARCHAR",
    "platform_type": "VARCHAR",
    "last_order_channel": "VARCHAR",
    "first_order_date": "TIMESTAMPTZ",
    "last_order_date": "TIMESTAMPTZ",
    "last_order_date_online": "TIMESTAMPTZ",
    "last_order_date_offline": "TIMESTAMPTZ",
    "order_num_total_ever_online": "DOUBLE",
    "order_num_total_ever_offline": "DOUBLE",
    "customer_value_total_ever_offline": "DOUBLE",
    "customer_value_total_ever_online": "DOUBLE",
    "interested_in_categories_12": "VARCHAR",
    "online_product_group_amount_top_name_12": "VARCHAR",
    "offline_product_group_name_12": "VARCHAR",
    "last_order_date_new": "DATE",
    "store_type": "VARCHAR",
}


class Duck:
    """One table in one database file."""

    def start(self, folder: str) -> dict[str, Any]:
        """Open an empty database, with room for the other contenders."""
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(parents=True)
        self.database = duckdb.connect(f"{folder}/flo.duckdb", config={"memory_limit": "4GB"})
        self.database.execute("SET TimeZone = 'UTC'")
        return {"version": f"DuckDB {duckdb.__version__}"}

    def load(self, file: str) -> dict[str, Any]:
        """Make the table of the full drop."""
        began = time.perf_counter()
        self.database.execute(f"CREATE TABLE customers AS SELECT * FROM {_read(file)}")  # noqa: S608
        return {"seconds": time.perf_counter() - began, "written": bytes_below(self.folder)}

    def drop(self, file: str) -> dict[str, Any]:
        """MERGE one drop's rows."""
        before = bytes_below(self.folder)
        began = time.perf_counter()
        self.database.execute(
            f"MERGE INTO customers AS t USING {_read(file)} AS s ON t.master_id = s.master_id "
            "WHEN MATCHED AND s.last_order_date >= t.last_order_date THEN UPDATE "
            "WHEN NOT MATCHED THEN INSERT"
        )
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "written": bytes_below(self.folder) - before}

    def digest(self) -> dict[str, Any]:
        """Say what the table holds."""
        found = self.database.sql(duckdb_query("customers"))
        [row] = found.fetchall()
        return dict(zip(found.columns, map(str, row), strict=True))


def _read(file: str) -> str:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in _COLUMNS.items())
    return f"read_csv('{file}', header = true, delim = '|', columns = {{{columns}}})"


if __name__ == "__main__":
    one = Duck()
    serve({"start": one.start, "load": one.load, "drop": one.drop, "digest": one.digest})
