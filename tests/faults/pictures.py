"""What two lakes must have in common: every table, without what may differ between two runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from batch.kpis.tables import KPI_TABLES
from batch.kpis_job import compute_kpis
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, TABLES
from tests.lakes import DropLake

Picture = dict[str, Counter[tuple[Any, ...]]]

# When something was done, in which batch and under which root may differ; what was done may not.
_MAY_DIFFER = {
    FEATURES: {"updated_at"},
    SNAPSHOTS: set[str](),
    QUARANTINE: {"path", "quarantined_at"},
    LEDGER: {
        "path",
        "archived_path",
        "batch_id",
        "snapshots_version",
        "quarantine_version",
        "features_version",
        "started_at",
        "finished_at",
    },
    **{name: {"features_version", "computed_at"} for name in KPI_TABLES},
}


def take_picture(lake: DropLake) -> Picture:
    """Read every table of a lake, the KPIs freshly computed, as bags of rows."""
    compute_kpis(lake.spark, lake.settings)
    return {
        table: Counter(
            tuple(map(_plain, each))
            for each in lake.rows(table, *[c for c in TABLES[table].column_names if c not in hide])
        )
        for table, hide in _MAY_DIFFER.items()
    }


def count_differences(one: Picture, other: Picture) -> dict[str, int]:
    """Count the rows that only one of two lakes has, by table."""
    found = {table: ((one[table] - other[table]) + (other[table] - one[table])) for table in one}
    return {table: rows.total() for table, rows in found.items() if rows}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return tuple(sorted((key, _plain(each)) for key, each in value.items()))
    return value
