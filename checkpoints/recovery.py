"""Finish or take back what a killed stream left half done, before it goes on.

The commit on ``customer_features`` is where a batch becomes true: it carries the accounts of
its drops. What is after it and lacks a ledger row is rolled forward from there; snapshots and
quarantine rows of drops that never came so far are taken out again, to be written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from checkpoints.commits import RECOVERED, read_unrecorded
from checkpoints.ledger import VERSION_COLUMNS, Ledger, LedgerRow
from lake.delta import newest_snapshot, table_version
from lake.fence import Fence, number_of
from lake.tables import FEATURES

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
    version = table_version(spark, fence.settings, FEATURES)
    unrecorded = read_unrecorded(spark, fence.settings, ledger, version)
    ledger.append(spark, unrecorded.accounts)
    for table, drops in unrecorded.begun.items():
        if drops:
            fence.delete(spark, table, F.col("drop_id").isin(sorted(drops)))
    _note(spark, fence, ledger, unrecorded.begun)
    taken_back = unrecorded.begun_drops
    if unrecorded.drops:
        log.info("recovered", completed=len(unrecorded.accounts), taken_back=len(taken_back))
    return Recovery(unrecorded.accounts, tuple(sorted(taken_back)))


def _note(
    spark: SparkSession, fence: Fence, ledger: Ledger, taken_back: Mapping[str, frozenset[str]]
) -> None:
    """Note how far all is well, so that a start need not look at the commits of many before it.

    Each start is a commit itself, and the ledger names none of a start that found no drop; nor one
    of what was taken back.
    """
    for table, column in VERSION_COLUMNS.items():
        newest = newest_snapshot(spark, fence.settings, table)
        known = max(ledger.newest_version(column), number_of(newest, RECOVERED))
        if newest.version() - known > _COMMITS_LOOKED_AT or taken_back.get(table):
            fence.note(spark, table, RECOVERED, newest.version())
