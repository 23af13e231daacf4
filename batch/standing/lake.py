"""How a lake stands: stream, drops, tables and KPIs, in one look that only reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from batch.kpis.notes import read_note
from batch.kpis.numbers import KEYS_OF
from batch.standing.accounts import Pending, look_at_landing, newest_accounts
from batch.standing.audit import Finding, audit_files
from batch.standing.places import AUDITED, look_for_troubles, take_look
from checkpoints.holder import Holder
from checkpoints.in_hand import look_in_hand
from checkpoints.ledger import LedgerRow, State
from checkpoints.lock import LockView
from checkpoints.troubles import Trouble
from lake.fs import FileInfo, from_micros
from lake.reading import Lake, Question, TableState
from lake.settings import Settings
from lake.tables import (
    FEATURES,
    INTERNAL,
    LEDGER,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
)

DAY = timedelta(hours=24)
AUDITED_UP_TO = 10_000
"""Accounts up to which a status includes an audit, which lists the whole archive."""

# What the accounts of one batch have in common.
_OF_A_BATCH = ("batch_id", "started_at")
_COLUMNS = (
    *AUDITED,
    "batch_id",
    "drop_id",
    "rows_read",
    "rows_accepted",
    "rows_quarantined",
    "rows_inserted",
    "finished_at",
)


@dataclass(frozen=True)
class Batch:
    """The batch that was accounted for last; ``seconds`` from its begin to its accounts."""

    number: int
    drops: int
    rows: int
    seconds: float
    finished_at: datetime

    @property
    def rows_a_second(self) -> float | None:
        """None where it was too short to be timed."""
        return self.rows / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class Share:
    """Accounts by state, and rows read and refused, of some time."""

    states: dict[str, int]
    rows_read: int
    rows_quarantined: int

    @property
    def quarantined(self) -> float | None:
        """The share of the rows read that is in quarantine, 0 to 1; None where none were read."""
        return self.rows_quarantined / self.rows_read if self.rows_read else None


@dataclass(frozen=True)
class Kpis:
    """What the KPI tables show: the oldest of them counts; None where one shows nothing."""

    features_version: int | None = None
    computed_at: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """One look at a lake.

    Attributes:
        now: when it was.
        holder: who holds the stream's lock, alive or dead.
        alive: whether that process runs.
        in_hand: the directory of the batch that is being taken in: its name is the number.
        tables: by name; empty where there are no tables yet.
        newest: the account that was written last.
        rows: how many each table has that the ledger counts.
        audited: whether ``findings`` were looked for.
        troubles: files in landing that the stream's user may not read or move.
    """

    now: datetime
    holder: Holder | None
    alive: bool
    pending: Pending
    in_hand: FileInfo | None
    tables: dict[str, TableState]
    newest: Mapping[str, Any] | None = None
    last_batch: Batch | None = None
    ever: Share = field(default_factory=lambda: Share({}, 0, 0))
    last_day: Share = field(default_factory=lambda: Share({}, 0, 0))
    rows: dict[str, int] = field(default_factory=dict)
    kpis: Kpis = Kpis()
    audited: bool = False
    findings: Sequence[Finding] = ()
    troubles: Sequence[Trouble] = ()

    @property
    def running(self) -> Holder | None:
        """The stream that runs, if one does."""
        return self.holder if self.alive else None

    @property
    def stream_since(self) -> datetime | None:
        """When the stream that runs was started."""
        return datetime.fromtimestamp(self.running.created, UTC) if self.running else None

    @property
    def kpis_behind(self) -> bool:
        """Whether the features have changed since the KPIs were computed."""
        features = self.tables.get(FEATURES)
        shown = self.kpis.features_version
        if features is None or not self.ever.states.get(State.INGESTED):
            return False
        return shown is None or features.changed > shown


def look_at_lake(
    lake: Lake, settings: Settings, now: datetime | None = None, *, audit: bool = True
) -> Standing:
    """Look at everything; a lake without tables is no error.

    Args:
        lake: its files and tables.
        settings: where they are.
        now: the moment to reckon from, with a zone.
        audit: also look whether any file is unaccounted for, up to ``AUDITED_UP_TO`` accounts.
    """
    moment = now or datetime.now(UTC)
    standing = _look_at_stream(lake, settings, moment)
    if LEDGER not in standing.tables:
        return standing
    reader = _Accounts(lake)
    findings = _audit(lake, settings, reader, moment) if audit else None
    accounts = reader.newest()
    return replace(
        standing,
        newest=accounts[0] if accounts else None,
        last_batch=_last_batch(accounts),
        ever=_share(accounts),
        last_day=_share(each for each in accounts if each["finished_at"] > moment - DAY),
        rows=_count_rows(accounts),
        kpis=_find_kpis(lake, settings, standing.tables),
        audited=findings is not None,
        findings=findings or (),
    )


class _TooManyError(Exception):
    """The archive of so many accounts would take too long to list."""


class _Accounts:
    """The ledger, read once for all; an audit reads it at the moment that its order asks for."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._rows: list[dict[str, Any]] | None = None

    def newest(self) -> list[dict[str, Any]]:
        """The accounts that were read last, the newest first."""
        return self._read() if self._rows is None else self._rows

    def for_audit(self) -> list[LedgerRow]:
        """Read the accounts anew, for a look of an audit."""
        rows = self._read()
        if len(rows) > AUDITED_UP_TO:
            raise _TooManyError
        return [LedgerRow(**{name: row[name] for name in AUDITED}) for row in rows]

    def _read(self) -> list[dict[str, Any]]:
        self._rows = list(self._lake.rows(newest_accounts(_COLUMNS)))
        return self._rows


def _look_at_stream(lake: Lake, settings: Settings, moment: datetime) -> Standing:
    holder, alive = LockView(lake.files, settings).look()
    return Standing(
        now=moment,
        holder=holder,
        alive=alive,
        pending=look_at_landing(lake.files, settings),
        in_hand=look_in_hand(lake.files, settings),
        troubles=look_for_troubles(lake.files, settings),
        tables=_look_at_tables(lake),
    )


def _look_at_tables(lake: Lake) -> dict[str, TableState]:
    found = {name: lake.tables.state(name) for name in (*TABLES, *INTERNAL)}
    return {name: state for name, state in found.items() if state is not None}


def _last_batch(accounts: Sequence[Mapping[str, Any]]) -> Batch | None:
    """Find the batch of the newest account that has one; a number alone may have come before."""
    newest = next((each for each in accounts if each["batch_id"] is not None), None)
    if newest is None:
        return None
    own = [each for each in accounts if all(each[name] == newest[name] for name in _OF_A_BATCH)]
    end = max(each["finished_at"] for each in own)
    return Batch(
        number=newest["batch_id"],
        drops=len(own),
        rows=sum(each["rows_read"] for each in own),
        seconds=(end - newest["started_at"]).total_seconds(),
        finished_at=end,
    )


def _share(accounts: Iterable[Mapping[str, Any]]) -> Share:
    states: Counter[str] = Counter()
    read = refused = 0
    for each in accounts:
        states[each["state"]] += 1
        read += each["rows_read"]
        refused += each["rows_quarantined"]
    return Share(dict(states), read, refused)


def _count_rows(accounts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the rows of tables by the ledger: a log counts rows that are marked as deleted, too."""
    ingested = [each for each in accounts if each["state"] == State.INGESTED]
    # A drop that is tried again replaces its rows in quarantine; accounts are the newest first.
    refused: dict[str, int] = {}
    for each in accounts:
        if each["drop_id"] is not None and each["state"] != State.DUPLICATE:
            refused.setdefault(each["drop_id"], each["rows_quarantined"])
    return {
        FEATURES: sum(each["rows_inserted"] for each in ingested),
        SNAPSHOTS: sum(each["rows_accepted"] for each in ingested),
        QUARANTINE: sum(refused.values()),
        LEDGER: len(accounts),
    }


def _find_kpis(lake: Lake, settings: Settings, tables: Mapping[str, TableState]) -> Kpis:
    shown = [_shown(lake, settings, name, tables.get(name)) for name in KEYS_OF]
    known = [each for each in shown if each.features_version is not None]
    if len(known) < len(shown):
        return Kpis()
    return min(known, key=lambda each: each.features_version or 0)


def _shown(lake: Lake, settings: Settings, name: str, state: TableState | None) -> Kpis:
    """Find what a KPI table shows: its last commit says it, or else its rows."""
    if state is None:
        return Kpis()
    note = read_note(lake.files, settings, name, state.version)
    if note is not None:
        return Kpis(note["features_version"], from_micros(note["computed_at"]))
    columns = ("features_version", "computed_at")
    for row in lake.rows(Question(name, columns, newest_first=columns, limit=1)):
        return Kpis(row["features_version"], row["computed_at"])
    return Kpis()


def _audit(
    lake: Lake, settings: Settings, reader: _Accounts, moment: datetime
) -> Sequence[Finding] | None:
    """Look for files that are unaccounted for; None where that cannot be told."""
    try:
        return audit_files(
            lambda: take_look(lake.files, settings, reader.for_audit), moment
        ).findings
    except _TooManyError:
        return None
