"""Whether a lake's tables are what the oracle says, to the last column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from batch.kpis.tables import KPI_TABLES
from batch.kpis_job import compute_kpis
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    LEDGER,
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
    assert differences(lake, oracle) == {}
    compute_kpis(lake.spark, lake.settings)
    for name, keys in KEYS.items():
        rows = [
            {column: value for column, value in row.items() if column not in _OF_A_RUN}
            for row in lake.read(name)
        ]
        assert {tuple(row.pop(key) for key in keys): row for row in rows} == oracle.kpis(*keys)
    assert set(KEYS) == set(KPI_TABLES)


def assert_taken_in(lake: DropLake, drops: Iterable[MadeDrop]) -> None:
    """See that landing is empty, and the stream's tables are as if the drops met no trouble.

    The KPIs are not compared: they are computed of the features, which are.
    """
    assert lake.files.list(lake.settings.landing) == []
    assert differences(lake, oracle_of(drops)) == {}


def oracle_of(drops: Iterable[MadeDrop]) -> Oracle:
    """Have the oracle take the drops in."""
    oracle = Oracle()
    oracle.take(File(each.name, each.content.encode(), each.modified_ms) for each in drops)
    return oracle


def differences(lake: DropLake, oracle: Oracle) -> dict[str, list[Any]]:
    """Of the stream's tables, the rows that only one of the two has."""
    pairs = {
        FEATURES: (_features(lake), Counter(map(_hashable, oracle.features()))),
        SNAPSHOTS: (_snapshots(lake), _snapshots_of(oracle)),
        LEDGER: (_accounts(lake), _accounts_of(oracle)),
        QUARANTINE: (_quarantine(lake), _quarantine_of(oracle)),
    }
    found = {
        name: [*(ours - theirs).elements(), *(theirs - ours).elements()]
        for name, (ours, theirs) in pairs.items()
    }
    return {name: rows for name, rows in found.items() if rows}


def _hashable(row: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """A row without its lists. Not its text: 1.50 and 1.5 are one number."""
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return tuple(sorted(plain.items()))


def _quarantine(lake: DropLake) -> Counter[Any]:
    found = lake.rows(QUARANTINE, "drop_id", "row_no", "reasons")
    return Counter((drop_id, row_no, tuple(sorted(why))) for drop_id, row_no, why in found)


def _quarantine_of(oracle: Oracle) -> Counter[Any]:
    return Counter(
        (drop_id, row_no, tuple(sorted(why)))
        for rows in oracle.quarantine.values()
        for drop_id, row_no, why in rows
    )


def _features(lake: DropLake) -> Counter[Any]:
    columns = [name for name in TABLES[FEATURES].column_names if name != "updated_at"]
    return Counter(
        _hashable({name: _plain(row, name) for name in columns}) for row in lake.read(FEATURES)
    )


def _plain(row: dict[str, Any], name: str) -> Any:
    """A value as the oracle writes it."""
    value = row[name]
    if name == "value_places":
        return None if value is None else tuple(map(_entry, value))
    return value if name not in _TIMES or value is None else _micros(value)


def _entry(entry: dict[str, Any]) -> tuple[str, tuple[int, int, str, int] | None]:
    place = entry["place"]
    if place is None:
        return entry["column"], None
    times = _micros(place["leading"]), _micros(place["drop_time"]) // 1000
    return entry["column"], (*times, place["drop_id"], place["row_no"])


def _micros(moment: datetime) -> int:
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _snapshots(lake: DropLake) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for row in lake.read(SNAPSHOTS):
        present = {*row["present"], "last_order_at"} & set(VALUES)
        said = {name: _plain(row, name) for name in present}
        key = tuple(_plain(row, name) for name in ("master_id", "drop_id", "row_no", "drop_time"))
        found[*key, _hashable(said)] += 1
    return found


def _snapshots_of(oracle: Oracle) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for history in oracle.snapshots.values():
        for each in history:
            _, drop_time, drop_id, row_no = each.place
            said = {name: value for name, value in each.said.items() if name in VALUES}
            key = (each.master_id, drop_id, row_no, drop_time * 1000)
            found[*key, _hashable(said)] += 1
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
