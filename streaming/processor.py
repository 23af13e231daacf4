"""One batch: from files in landing to their rows, their accounts, the archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

import structlog
from pyspark.sql import SparkSession

from checkpoints.in_hand import look_in_hand, staging_path, tell_in_hand
from checkpoints.ledger import Ledger, LedgerRow, State
from checkpoints.recovery import recover
from lake.contract import Contract
from lake.errors import DropRejected
from lake.failpoint import failpoint
from lake.fence import Fence
from lake.fs import FileInfo, FileSystem
from lake.order_rule import require_order_rule
from streaming.accounts import (
    as_duplicate,
    as_repeat,
    with_findings,
    with_verdict,
)
from streaming.archive import archive_path, move_to_archive
from streaming.constraints import Constraints, refuse_other_constraints
from streaming.decode import DecodedDrop, decode_drop
from streaming.events import DropsAccounted, Tell, tell_nobody
from streaming.intake import VANISHED, Drop, NotYet, take_in
from streaming.phases import Phase, phase
from streaming.rows import judging
from streaming.write import TableWriter

log = structlog.get_logger()

AfterBatch = Callable[[SparkSession], None]


@dataclass(frozen=True)
class Decoded:
    """A drop that could be read: its file, what was found in it, and its account so far."""

    drop: Drop
    found: DecodedDrop
    row: LedgerRow


class Processor:
    """Takes batches of landed files to the end, one batch at a time.

    Every step may be repeated: rows of a drop are written once, or taken back by
    :func:`checkpoints.recovery.recover` before the next batch; the ledger row comes last.

    Attributes:
        left_undone: whether an earlier stream did not come to the end of its last batch.
        broken_off: whether a round of this one did not come to its end. Nothing more may be taken
            in then: a new one recovers first.
        closing: whether no further batch is to be begun.
    """

    def __init__(
        self,
        spark: SparkSession,
        fence: Fence,
        contract: Contract,
        spool: Path,
        tell: Tell = tell_nobody,
    ) -> None:
        """Recover what an earlier stream left, and read the ledger.

        Raises:
            LockedError: another stream has taken over.
            ConfigError: the features were made by another order rule, or quarantine or ledger
                has a constraint.
        """
        self.settings = settings = fence.settings
        self.contract = contract
        self.files = FileSystem.of(spark)
        self.ledger = Ledger(spark, fence)
        self.mutex = RLock()
        self.broken_off = False
        self.closing = False
        self.tell = tell
        self._spool = spool
        self.left_undone = look_in_hand(self.files, settings) is not None
        # Its own, as an earlier stream that was held up may still put a drop into its batch.
        self._staging = f"{staging_path(settings)}/{fence.epoch}"
        self._writer = TableWriter(fence, contract, self.ledger)
        require_order_rule(spark, settings, contract)
        refuse_other_constraints(spark, settings)
        self._tell_accounts(recover(spark, fence, self.ledger).completed)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Have no further batch begun once the block is left, however it is."""
        try:
            yield
        finally:
            self.closing = True

    def end_last_batch(self, spark: SparkSession, after: AfterBatch | None = None) -> None:
        """Do what the last batch of an earlier stream did not come to, and clear up after it.

        Until that is done, what it has staged stays, and says that it is not.
        """
        if self.left_undone and after is not None:
            after(spark)
        self.files.delete(staging_path(self.settings))

    def process(
        self,
        spark: SparkSession,
        landed: Sequence[FileInfo],
        after: AfterBatch | None = None,
    ) -> list[LedgerRow]:
        """Take these files to the end, and return their accounts.

        A file has none, and stays where it is, while a writer holds it open.

        Args:
            spark: the session of the batch.
            landed: files of landing that have no account.
            after: what a batch in which there were drops ends with.
        """
        with self.mutex:
            started, number = datetime.now(UTC), self.ledger.next_batch()
            refuse_other_constraints(spark, self.settings)
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool.mkdir(parents=True)
            staged = f"{self._staging}/{number}"
            tell_in_hand(self.files, staged, [info.name for info in landed])
            rows = [self.open_account(info, number, started) for info in landed]
            settled, decoded, repeats = self._read_all(rows, staged)
            written = self._write(spark, decoded, staged) if decoded else []
            settled += [*written, *(as_repeat(row, written) for row in repeats)]
            self.finish(spark, settled)
            if settled and after is not None:
                after(spark)
            self.files.delete(staged)
            return settled

    def finish(self, spark: SparkSession, rows: list[LedgerRow]) -> None:
        """Write the accounts, then move the files of all of them to the archive."""
        with phase(Phase.LEDGER):
            self.ledger.append(spark, rows)
        self._tell_accounts(rows)
        failpoint("after_ledger")
        with phase(Phase.ARCHIVE):
            for row in rows:
                self.archive(row)
                log.info(
                    "drop",
                    file=row.path.rsplit("/", 1)[-1],
                    state=row.state,
                    reason=row.reason,
                    drop_id=(row.drop_id or "")[:12],
                    read=row.rows_read,
                    quarantined=row.rows_quarantined,
                )
        failpoint("after_archive")

    def account_of(self, info: FileInfo) -> LedgerRow | None:
        """Find the account of a landed file.

        A file that only looks like one that was accounted for (same name and time, but that one
        is in the archive already, or had another size) has none: it is another file.
        """
        row = self.ledger.find(info.path, info.modified_ms)
        if row is None or row.archived_path is None or row.bytes != info.size:
            return None
        return None if self.files.exists(row.archived_path) else row

    def archive(self, row: LedgerRow) -> None:
        """Move the file of an account to the archive, if it still is the one accounted for."""
        info = self.files.status(row.path)
        # A file that changed since then is not the one that was accounted for: the next round's.
        if info is not None and row.archived_path and self.account_of(info) is not None:
            move_to_archive(self.files, row.path, row.archived_path)
            failpoint("during_archive")

    def _tell_accounts(self, rows: Sequence[LedgerRow]) -> None:
        if rows:
            self.tell(DropsAccounted(rows))

    def _read_all(
        self, rows: Sequence[LedgerRow], staged: str
    ) -> tuple[list[LedgerRow], list[Decoded], list[LedgerRow]]:
        """Read each file: what is settled at once, what goes on, and what repeats one of those."""
        settled: list[LedgerRow] = []
        decoded: list[Decoded] = []
        repeats: list[LedgerRow] = []
        for number, opened in enumerate(rows):
            row = opened
            try:
                with phase(Phase.INTAKE):
                    drop = take_in(self.files, row.path, self._spool / str(number))
                row = replace(
                    row,
                    drop_id=drop.drop_id,
                    bytes=drop.info.size,
                    modified_at=drop.info.modified_at,
                )
                if self.ledger.find(*row.key) is not None:
                    raise NotYet  # it was replaced meanwhile by one of that name and time
                if self.ledger.is_ingested(drop.drop_id):
                    settled.append(as_duplicate(row))
                elif any(each.drop.drop_id == drop.drop_id for each in decoded):
                    repeats.append(row)
                else:
                    with phase(Phase.DECODE):
                        decoded.append(self._decode(drop, row, staged))
            except DropRejected as refusal:
                kept = None if refusal.code == VANISHED else row.archived_path
                settled.append(replace(row, reason=str(refusal), archived_path=kept))
            except NotYet:
                log.info("waiting", file=row.path.rsplit("/", 1)[-1], why="it changes")
        return settled, decoded, repeats

    def open_account(self, info: FileInfo, batch: int | None, started: datetime) -> LedgerRow:
        """Open a file's account as refused, which is what it stays unless all goes well."""
        return LedgerRow(
            path=info.path,
            bytes=info.size,
            modified_at=info.modified_at,
            state=State.REJECTED,
            started_at=started,
            batch_id=batch,
            archived_path=archive_path(self.settings, self.files, info.path, started),
        )

    def _decode(self, drop: Drop, row: LedgerRow, staging: str) -> Decoded:
        staged = drop.spool.with_suffix(".parquet")
        found = decode_drop(
            drop.spool,
            drop.info.name,
            self.contract,
            staged,
            drop_id=drop.drop_id,
            max_line_bytes=self.settings.max_line_bytes,
        )
        drop.spool.unlink()
        self.files.upload(staged, f"{staging}/{drop.drop_id}.parquet")
        staged.unlink()
        return Decoded(drop, found, with_findings(row, found))

    def _write(self, spark: SparkSession, decoded: list[Decoded], staging: str) -> list[LedgerRow]:
        """Judge the rows of these drops and write them: snapshots, quarantine, features."""
        staged = spark.read.parquet(staging)
        drops = [(each.drop, each.found) for each in decoded]
        constraints = Constraints.of(spark, self.settings)
        with judging(spark, staged, drops, self.contract, constraints) as judged:
            verdicts = judged.verdicts
            rows = [with_verdict(each.row, verdicts[each.drop.drop_id]) for each in decoded]
            return self._writer.write(spark, judged, rows)
