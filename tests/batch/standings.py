"""A lake in memory and on local disk, for what only looks at one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from batch.standing.accounts import Pending
from batch.standing.lake import Standing
from checkpoints.holder import Holder
from lake.errors import NotFoundError
from lake.reading import Question, TableState
from lake.tables import CHANNEL_KPIS, FEATURES, LEDGER

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOLDER = Holder("far", "boot", 7, (NOW - timedelta(hours=5)).timestamp(), "ada", "app-1", "t")


class MemoryTables:
    """Tables whose rows and states are given."""

    zone = ZoneInfo("UTC")

    def __init__(
        self, rows: Mapping[str, Sequence[Mapping[str, Any]]], states: Mapping[str, TableState]
    ) -> None:
        self._rows = rows
        self._states = states

    def ask(self, question: Question) -> pa.Table:
        """Read rows as they are given: those of the ledger must be the newest first."""
        if question.table not in self._rows:
            raise NotFoundError(question.table)
        rows = self._rows[question.table]
        chosen = [row for row in rows if all(row[k] == v for k, v in question.where.items())]
        columns = question.columns or list(chosen[0])
        return pa.Table.from_pylist(
            [{name: row[name] for name in columns} for row in chosen[: question.limit]]
        )

    def state(self, name: str) -> TableState | None:
        """Give the state."""
        return self._states.get(name)


def state(
    version: int = 3, *, changed: int | None = None, ago: timedelta | None = None
) -> TableState:
    """Describe a table."""
    at = NOW - (ago or timedelta(hours=1))
    return TableState(version, 2, 2048, at, "MERGE", version if changed is None else changed)


def account(name: str, **values: Any) -> dict[str, Any]:
    """Account for an ingested drop of ten new customers, an hour ago, in batch 4."""
    begin = NOW - timedelta(hours=1, seconds=5)
    return {
        "account_id": name,
        "file_id": None,
        "path": f"/flo/landing/{name}",
        "state": "ingested",
        "batch_id": 4,
        "drop_id": name,
        "rows_read": 10,
        "rows_accepted": 10,
        "rows_quarantined": 0,
        "rows_inserted": 10,
        "started_at": begin,
        "finished_at": begin + timedelta(seconds=5),
        "bytes": 10,
        "modified_at": begin,
        "archived_path": None,
        **values,
    }


def standing(**values: Any) -> Standing:
    """See a lake where all is well, or differs from that so."""
    well: dict[str, Any] = {
        "now": NOW,
        "holder": HOLDER,
        "alive": True,
        "pending": Pending(0, 0, None),
        "in_hand": None,
        "tables": {FEATURES: state(), LEDGER: state(), CHANNEL_KPIS: state()},
        "audited": True,
    }
    return Standing(**(well | values))
