"""Finish or take back what a killed stream left half done, before it goes on.

The commit on ``customer_features`` is where a batch becomes true: it carries the accounts of
its drops. What is after it and lacks a ledger row is rolled forward from there; snapshots and
quarantine rows of drops that never came so far are taken out again, to be written anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from checkpoints.commits import RECOVERED, read_commits_after
from checkpoints.ledger import VERSION_COLUMNS, Ledger, LedgerRow, State
from lake.fence import Fence, number_of
from lake.settings import Settings
from lake.tables import FEATURES, QUARANTINE, SNAPSHOTS, newest_snapshot

log = structlog.get_logger()

_COMMITS_LOOKED_AT = 20
"""Most commits that a start looks at again and again."""


@dataclass(frozen=True)
class Recovery:
    """What was found: drops completed from their commit, and drops whose rows were taken out."""

    completed: tuple[LedgerRow, ...]
    taken_back: tuple[str, ...]


def recover(spark: SparkSession, fence: Fence, ledger: Ledger) -> Recovery:
    """Bring the tables to a state in which every drop is in all of them or in none.

    Only commits newer than the newest that the ledger names are looked at. Running it twice,
    or being killed in it, changes nothing: each half is repeatable.

    Raises:
        LockedError: the epoch of the fence has passed.
    """
    completed = _roll_forward(spark, fence.settings, ledger)
    taken_back = sorted(
        {
            *_roll_back(spark, fence, ledger, SNAPSHOTS),
            *_roll_back(spark, fence, ledger, QUARANTINE),
        }
    )
    _note(spark, fence, ledger)
    if completed or taken_back:
        log.info("recovered", completed=len(completed), taken_back=len(taken_back))
    return Recovery(tuple(completed), tuple(taken_back))


def _note(spark: SparkSession, fence: Fence, ledger: Ledger) -> None:
    """Note how far all is well, so that a start need not look at the commits of many before it.

    Each start is a commit itself, and the ledger names none of a start that found no drop.
    """
    for table, column in VERSION_COLUMNS.items():
        newest = newest_snapshot(spark, fence.settings, table)
        known = max(ledger.newest_version(column), number_of(newest, RECOVERED))
        if newest.version() - known > _COMMITS_LOOKED_AT:
            fence.note(spark, table, RECOVERED, newest.version())


def _roll_forward(spark: SparkSession, settings: Settings, ledger: Ledger) -> list[LedgerRow]:
    completed: list[LedgerRow] = []
    known = ledger.newest_version(VERSION_COLUMNS[FEATURES])
    for version, rows in read_commits_after(spark, settings, FEATURES, known).items():
        missing = [row for row in rows if ledger.find(row.account_id) is None]
        completed += [
            replace(row, features_version=version) if row.state == State.INGESTED else row
            for row in missing
        ]
    ledger.append(spark, completed)
    return completed


def _roll_back(spark: SparkSession, fence: Fence, ledger: Ledger, table: str) -> list[str]:
    """Delete the rows of drops that were written after the newest account and have none."""
    known = ledger.newest_version(VERSION_COLUMNS[table])
    orphans = sorted(
        {
            row.drop_id
            for rows in read_commits_after(spark, fence.settings, table, known).values()
            for row in rows
            if row.drop_id
            and ledger.find(row.account_id) is None
            and not ledger.is_ingested(row.drop_id)
        }
    )
    if orphans:
        fence.delete(spark, table, F.col("drop_id").isin(orphans))
    return orphans
