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

from checkpoints.contracts import keep_contract
from checkpoints.in_hand import accounts_in_hand, look_in_hand, staging_path, tell_in_hand
from checkpoints.ledger import Ledger, LedgerRow
from checkpoints.recovery import recover
from checkpoints.troubles import read_troubles, write_troubles
from lake.contract import Contract
from lake.errors import AccessError, DropRejected
from lake.failpoint import failpoint
from lake.fence import Fence
from lake.fs import FileClock, FileInfo, FileSystem
from lake.order_rule import require_order_rule
from lake.writers import open_writer
from streaming.accounts import (
    as_duplicate,
    as_repeat,
    first_seen,
    open_account,
    with_file,
    with_findings,
    with_times,
    with_verdict,
)
from streaming.archive import Archive
from streaming.constraints import Constraints, refuse_other_constraints
from streaming.decode import DecodedDrop
from streaming.events import DropsAccounted, Tell, tell_nobody
from streaming.intake import VANISHED, Drop, NotYet, take_in
from streaming.phases import Phase, phase
from streaming.rows import judging, read_staged
from streaming.trial import require_sound_rules
from streaming.waiting import Waits
from streaming.write import TableWriter

log = structlog.get_logger()

AfterBatch = Callable[[SparkSession], None]

_COPIES_KEPT = 2**30
"""Bytes of a batch's copies that stay on this machine, at most, until the archive has their files;
and no more than a tenth of what is free there."""


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
        archive: gets the files of its accounts.
        waits: the files that could not be read or moved.
        clock: the file system's.
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
            ContractError: a rule cannot be asked of every row.
            ConfigError: the features were made by another order rule, quarantine or ledger has a
                constraint, or this Delta is not the one that the features' writer was tried with.
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
        self.clock = FileClock(0)
        self.set_clock()
        troubles = read_troubles(self.files, settings)
        self.waits = Waits(lambda told: write_troubles(self.files, settings, told), troubles)
        unmoved = {*accounts_in_hand(self.files, settings).values()}
        unmoved |= {each.account_id for each in troubles if each.account_id}
        self.archive = Archive(self.files, settings, self.ledger, self.waits, unmoved, spool)
        # Its own, as an earlier stream that was held up may still put a drop into its batch.
        self._staging = f"{staging_path(settings)}/{fence.epoch}"
        self._writer = TableWriter(fence, contract, self.ledger)
        open_writer(spark, fence)  # says what it cannot do with before anything is taken in
        require_order_rule(spark, settings, contract)
        require_sound_rules(spark, contract, settings.contract)
        refuse_other_constraints(spark, settings)
        keep_contract(self.files, settings, contract)
        self._tell_accounts(recover(spark, fence, self.ledger).completed)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Have no further batch begun once the block is left, however it is."""
        try:
            yield
        finally:
            self.closing = True

    def set_clock(self) -> None:
        """Set the clock by the file system's: reckoned on, it stops while this machine sleeps."""
        self.clock.set(self.files.now_ms(self.settings.path("checkpoints", "clock")))

    def end_last_batch(self, spark: SparkSession, after: AfterBatch | None = None) -> None:
        """Do what the last batch of an earlier stream did not come to, and clear up after it.

        Until that is done, what it has staged stays, and says that it is not.
        """
        self.archive.finish(spark)
        self.waits.save()
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
            number = self.ledger.next_batch()
            refuse_other_constraints(spark, self.settings)
            shutil.rmtree(self._spool, ignore_errors=True)
            self._spool.mkdir(parents=True)
            staged = f"{self._staging}/{number}"
            rows = self._open_accounts(landed, number, staged)
            settled, decoded, repeats = self._read_all(landed, rows, staged)
            written = self._write(spark, decoded, staged) if decoded else []
            settled += [*written, *(as_repeat(row, written) for row in repeats)]
            self._finish(spark, settled)
            if settled and after is not None:
                after(spark)
            self.files.delete(staged)
            shutil.rmtree(self._spool)
            return settled

    def refuse(self, spark: SparkSession, refused: Sequence[tuple[FileInfo, str]]) -> None:
        """Refuse what is no drop, each with its reason."""
        staged = f"{self._staging}/{self.ledger.next_batch()}"
        rows = self._open_accounts([info for info, _ in refused], None, staged)
        reasons = (reason for _, reason in refused)
        told = zip(rows, reasons, strict=True)
        self._finish(spark, [replace(row, reason=reason) for row, reason in told])
        self.files.delete(staged)

    def _finish(self, spark: SparkSession, rows: list[LedgerRow]) -> None:
        """Write the accounts, then move the files of all of them to the archive."""
        with phase(Phase.LEDGER):
            rows = self.ledger.append(spark, rows)
        self._tell_accounts(rows)
        failpoint("after_ledger")
        with phase(Phase.ARCHIVE):
            self.archive.keep(rows)
            self.waits.save()
        for row in rows:
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

    def _tell_accounts(self, rows: Sequence[LedgerRow]) -> None:
        if rows:
            self.tell(DropsAccounted(rows))

    def _open_accounts(
        self, landed: Sequence[FileInfo], number: int | None, staged: str
    ) -> list[LedgerRow]:
        """Open the accounts of files as refused, which is what they stay unless all goes well.

        That they are in hand is written down first, and when that was is when they were first seen.
        """
        started = datetime.now(UTC)
        rows = [
            open_account(
                info,
                self.contract,
                batch_id=number,
                started_at=started,
                archived_path=self.archive.place_for(info.path, started),
            )
            for info in landed
        ]
        ids = {row.path.rpartition("/")[2]: row.account_id for row in rows}
        listed = tell_in_hand(self.files, staged, ids)
        self.clock.set(listed.modified_ms)
        return [with_times(replace(row, first_seen_at=listed.modified_at)) for row in rows]

    def _read_all(
        self, landed: Sequence[FileInfo], rows: Sequence[LedgerRow], staged: str
    ) -> tuple[list[LedgerRow], list[Decoded], list[LedgerRow]]:
        """Read each file: what is settled at once, what goes on, and what repeats one of those."""
        settled: list[LedgerRow] = []
        decoded: list[Decoded] = []
        repeats: list[LedgerRow] = []
        for info, opened in zip(landed, rows, strict=True):
            row = opened
            try:
                drop = self._take_in(info, row)
                row = with_file(row, drop)
                if self.ledger.is_ingested(drop.drop_id):
                    settled.append(as_duplicate(row))
                    drop.spool.unlink()  # the archive has these bytes
                elif any(each.drop.drop_id == drop.drop_id for each in decoded):
                    repeats.append(row)
                else:
                    with phase(Phase.DECODE):
                        decoded.append(self._decode(drop, row, staged))
            except DropRejected as refusal:
                kept = None if refusal.code == VANISHED else row.archived_path
                settled.append(replace(row, reason=str(refusal), archived_path=kept))
            except NotYet as why:
                log.info("waiting", file=row.path.rsplit("/", 1)[-1], why=str(why))
        return settled, decoded, repeats

    def _take_in(self, info: FileInfo, row: LedgerRow) -> Drop:
        try:
            with phase(Phase.INTAKE):
                spool = self._spool / row.account_id
                drop = take_in(self.files, row.path, spool, first_seen(row))
        except AccessError as error:
            self.waits.note(info, error)
            raise NotYet("it may not be read") from None
        self.waits.settle(info)
        return drop

    def _decode(self, drop: Drop, row: LedgerRow, staging: str) -> Decoded:
        staged = drop.spool.with_suffix(".parquet")
        limit = self.settings.max_line_bytes
        found = drop.decode(staged, self.contract, max_line_bytes=limit)
        self.files.upload(staged, f"{staging}/{drop.drop_id}.parquet")
        staged.unlink()
        copies = sum(copy.stat().st_size for copy in self._spool.iterdir())
        if copies > min(_COPIES_KEPT, shutil.disk_usage(self._spool).free // 10):
            drop.spool.unlink()
        return Decoded(drop, found, with_findings(row, found))

    def _write(self, spark: SparkSession, decoded: list[Decoded], staging: str) -> list[LedgerRow]:
        """Judge the rows of these drops and write them: snapshots, quarantine, features."""
        staged = read_staged(spark, staging, self.contract)
        drops = {each.drop.drop_id: each.found for each in decoded}
        constraints = Constraints.of(spark, self.settings)
        with judging(spark, staged, drops, self.contract, constraints) as judged:
            verdicts = judged.verdicts
            rows = [with_verdict(each.row, verdicts[each.drop.drop_id]) for each in decoded]
            return self._writer.write(spark, judged, rows)
