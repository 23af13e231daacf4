"""The writes of one batch: snapshots, quarantine and features, each in one commit.

The features' commit comes last and carries the accounts of all; what it holds is in the snapshots
already, whatever crashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from checkpoints.ledger import Ledger, LedgerRow, State, carrying, to_metadata
from lake.conflicts import retry_conflicts
from lake.contract import Contract
from lake.delta import read_table
from lake.failpoint import failpoint
from lake.fence import Fence
from lake.tables import FEATURES, QUARANTINE, SNAPSHOTS
from lake.writers import open_writer
from streaming.accounts import with_outcomes
from streaming.phases import Phase, phase
from streaming.rows import Judgement
from streaming.upsert import plan_upsert, write_upsert


class TableWriter:
    """Writes judged batches into the tables of one lake, one batch at a time."""

    def __init__(self, fence: Fence, contract: Contract, ledger: Ledger) -> None:
        """Bind to a lake, as its one writer."""
        self._fence = fence
        self._settings = fence.settings
        self._contract = contract
        self._ledger = ledger
        # Kept: each thread has a connection to Java of its own, and a thread in Java.
        self._beside = ThreadPoolExecutor(1, "appends")

    def write(
        self, spark: SparkSession, judged: Judgement, rows: list[LedgerRow]
    ) -> list[LedgerRow]:
        """Write a batch, and return its accounts with outcomes and versions.

        Args:
            spark: the session of the batch.
            judged: its rows.
            rows: the accounts of its drops, with the verdicts.

        Raises:
            LockedError: another stream has taken over; what it has not taken in is not written.
        """
        # The plan for the features does not depend on the appends; only their commit has to wait.
        appended = self._beside.submit(copy_context().run, self._append, spark, judged, rows)
        try:
            accepting = sum(bool(row.rows_accepted) for row in rows)
            if not accepting:
                return appended.result()
            # Where another commit on the features comes first (a compaction), all is found anew.
            accounts = retry_conflicts(
                lambda: self._upsert(spark, judged, appended, one_drop=accepting == 1),
                FEATURES,
            )
        finally:
            wait([appended])
        failpoint("after_merge")
        return accounts

    def _append(
        self, spark: SparkSession, judged: Judgement, rows: list[LedgerRow]
    ) -> list[LedgerRow]:
        """Write snapshots and quarantine; return the accounts with their versions."""
        with phase(Phase.SNAPSHOTS):
            snapshots = _write_snapshots(spark, self._fence, judged, rows)
        failpoint("after_snapshots")
        # Rows that an earlier, rejected try of the same bytes has left.
        retried = [r.drop_id for r in rows if r.drop_id and self._ledger.quarantined(r.drop_id)]
        with phase(Phase.QUARANTINE):
            quarantine = _write_quarantine(spark, self._fence, judged, rows, retried)
        failpoint("after_quarantine")
        return [
            replace(
                row,
                snapshots_version=snapshots if row.rows_accepted else None,
                quarantine_version=quarantine if row.rows_quarantined else None,
            )
            for row in rows
        ]

    def _upsert(
        self,
        spark: SparkSession,
        judged: Judgement,
        appended: Future[list[LedgerRow]],
        *,
        one_drop: bool,
    ) -> list[LedgerRow]:
        features = open_writer(spark, self._fence)
        with phase(Phase.PLAN):
            upsert = plan_upsert(
                spark,
                self._contract,
                judged.accepted,
                datetime.now(UTC),
                read_table(spark, self._settings, FEATURES),
                one_drop=one_drop,
                none_stored=features.is_empty,
                kept=judged.kept,
            )
        try:
            counted = [with_outcomes(row, upsert.outcomes) for row in appended.result()]
            with phase(Phase.MERGE):
                version = write_upsert(spark, features, upsert, to_metadata(counted))
        finally:
            upsert.release()
        return [
            replace(row, features_version=version) if row.state == State.INGESTED else row
            for row in counted
        ]


def _write_snapshots(
    spark: SparkSession, fence: Fence, judged: Judgement, rows: Sequence[LedgerRow]
) -> int | None:
    """Append the accepted rows; return the table's version, or None where there are none."""
    if not any(row.rows_accepted for row in rows):
        return None
    return fence.append(spark, SNAPSHOTS, judged.accepted.coalesce(2), to_metadata(rows))


def _write_quarantine(
    spark: SparkSession,
    fence: Fence,
    judged: Judgement,
    rows: Sequence[LedgerRow],
    retried: Sequence[str],
) -> int | None:
    """Append the refused rows; return the table's version, or None where there are none.

    ``retried`` are drops that an earlier, rejected try left rows of: those are taken out first.
    """
    if retried:
        again = F.col("drop_id").isin(list(retried))
        # It names them, too: until they are back, they are in the hand of this batch.
        with carrying(spark, to_metadata(rows)):
            fence.delete(spark, QUARANTINE, again)
    if not any(row.rows_quarantined for row in rows):
        return None
    return fence.append(spark, QUARANTINE, judged.quarantined.coalesce(2), to_metadata(rows))
