"""Whether a lake's tables are what the oracle says, to the last column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pyspark.sql import functions as F

from batch.kpis.tables import KPI_TABLES
from batch.kpis_job import compute_kpis
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    PLATFORM_KPIS,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
)
from tests.faults.drops import MadeDrop
from tests.lakes import DropLake
from tests.oracle import OUTCOMES, VALUES, File, Oracle

KEYS = {
    CHANNEL_KPIS: ("order_channel",),
    PLATFORM_KPIS: ("platform_type",),
    CHANNEL_PLATFORM_KPIS: ("order_channel", "platform_type"),
}
COUNTED = ("read", "accepted", "quarantined", *OUTCOMES)
# The oracle writes times as microseconds since 1970.
_TIMES = ("drop_time", "last_order_at")
_OF_A_RUN = ("features_version", "computed_at")


def assert_as_the_oracle_says(lake: DropLake, oracle: Oracle) -> None:
    """Compare features, snapshots, accounts, quarantine, and the KPIs that the job computes."""
    assert read_features(lake) == oracle.features()
    assert _snapshots(lake) == _snapshots_of(oracle)
    assert _accounts(lake) == _accounts_of(oracle)
    found = lake.rows(QUARANTINE, "drop_id", "row_no", "reasons")
    assert Counter((i, n, tuple(sorted(r))) for i, n, r in found) == Counter(
        (i, n, tuple(sorted(r))) for rows in oracle.quarantine.values() for i, n, r in rows
    )
    compute_kpis(lake.spark, lake.settings)
    for name, keys in KEYS.items():
        rows = [row.asDict() for row in lake.table(name).drop(*_OF_A_RUN).collect()]
        assert {tuple(row.pop(key) for key in keys): row for row in rows} == oracle.kpis(*keys)
    assert set(KEYS) == set(KPI_TABLES)


def assert_taken_in(lake: DropLake, drops: Iterable[MadeDrop]) -> None:
    """See that landing is empty, and all tables are as if the drops had met no trouble."""
    assert lake.files.list(lake.settings.landing) == []
    oracle = Oracle()
    oracle.take(File(each.name, each.content.encode(), each.modified_ms) for each in drops)
    assert_as_the_oracle_says(lake, oracle)


def read_features(lake: DropLake) -> list[dict[str, Any]]:
    """Read the features as the oracle writes them, by ``master_id``."""
    frame = lake.table(FEATURES).withColumns({name: F.unix_micros(name) for name in _TIMES})
    columns = [name for name in TABLES[FEATURES].column_names if name != "updated_at"]
    return [row.asDict() for row in frame.select(*columns).orderBy("master_id").collect()]


def _snapshots(lake: DropLake) -> Counter[tuple[Any, ...]]:
    frame = lake.table(SNAPSHOTS).withColumns({name: F.unix_micros(name) for name in _TIMES})
    found: Counter[tuple[Any, ...]] = Counter()
    for row in frame.collect():
        said = {name: row[name] for name in VALUES if name not in row["absent"]}
        key = (row["master_id"], row["drop_id"], row["row_no"], row["drop_time"])
        found[*key, repr(sorted(said.items()))] += 1
    return found


def _snapshots_of(oracle: Oracle) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for history in oracle.snapshots.values():
        for each in history:
            _, drop_time, drop_id, row_no = each.place
            said = {name: value for name, value in each.said.items() if name in VALUES}
            key = (each.master_id, drop_id, row_no, drop_time * 1000)
            found[*key, repr(sorted(said.items()))] += 1
    return found


def _accounts(lake: DropLake) -> Counter[tuple[Any, ...]]:
    return Counter(
        (each["path"].rsplit("/", 1)[-1], each["drop_id"], each["state"],
         *(each[f"rows_{name}"] for name in COUNTED))
        for each in lake.ledger()
    )  # fmt: skip


def _accounts_of(oracle: Oracle) -> Counter[tuple[Any, ...]]:
    return Counter(
        (each["name"], each["drop_id"], each["state"], *(each[name] for name in COUNTED))
        for each in oracle.accounts
    )
