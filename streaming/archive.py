"""The archive: where an accounted-for file and its account go, and getting it there as read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pyspark.sql import SparkSession

from checkpoints.kept_accounts import account_path, keep_account
from checkpoints.ledger import Ledger, LedgerRow, State
from lake.errors import AccessError, NotFoundError
from lake.failpoint import failpoint
from lake.fs import FileInfo, FileSystem
from lake.paths import marked_name, plain_path
from lake.settings import Settings
from streaming.waiting import Waits

log = structlog.get_logger()


class Archive:
    """Moves accounted-for files out of landing, each only while it is the one that was read."""

    def __init__(
        self,
        files: FileSystem,
        settings: Settings,
        ledger: Ledger,
        waits: Waits,
        unmoved: Collection[str],
        spool: Path,
    ) -> None:
        """Bind to a lake.

        Args:
            files: where it is.
            settings: where landing and archive are.
            ledger: its accounts.
            waits: told of a file that may not be moved.
            unmoved: ids of the accounts whose files an earlier stream may not have moved.
            spool: where the copies of the batch in hand are, by the ids of their accounts.
        """
        self._files = files
        self._settings = settings
        self._ledger = ledger
        self._waits = waits
        self._unmoved = set(unmoved)
        self._spool = spool

    def place_for(self, path: str, moment: datetime) -> str:
        """Choose a place below ``archive/yyyy/mm/dd/`` (UTC day of the account) for a file.

        The name stays; a second file of that name on that day gets the moment as a suffix.
        """
        name = path.rsplit("/", 1)[-1]
        folder = plain_path(f"{self._settings.archive}/{moment:%Y/%m/%d}")
        place = f"{folder}/{name}"
        if self._ledger.names(place) or self._files.exists(place):
            name = marked_name(name, f"~{moment:%H%M%S%f}")
        return f"{folder}/{name}"

    def account_of(self, info: FileInfo) -> LedgerRow | None:
        """Find the account that settles a file of landing: it only has to be moved.

        A file that only looks like one with an account is another one: written anew, or appended
        to. Rejected bytes are tried again; so a rejected file that was moved already, and is here
        again, has come a second time.
        """
        row = self._ledger.find_of(info)
        if row is None or row.archived_path is None:
            return None
        if row.state == State.REJECTED and row.account_id not in self._unmoved:
            return None
        return None if self._files.exists(row.archived_path) else row

    def keep(self, rows: Sequence[LedgerRow]) -> None:
        """Move the files of these accounts, which are in the ledger by now, and keep them beside.

        A file that has to wait has its place already, and its account is kept there.
        """
        self._unmoved |= {row.account_id for row in rows}
        for row in rows:
            self.move(row, self._find(row))
            self._keep_account(row)

    def _keep_account(self, row: LedgerRow) -> None:
        try:
            keep_account(self._files, self._settings, row)
        except AccessError as error:
            log.warning("account not kept", why=str(error), next="a start tries it again")

    def finish(self, spark: SparkSession) -> None:
        """Do what an earlier stream did not come to."""
        left = sorted(self._unmoved)
        for account_id in left:
            row = self._ledger.find(account_id)
            if row is None or row.archived_path is None:
                self._unmoved.discard(account_id)
            elif self._files.exists(row.archived_path):
                self._stays(row.archived_path, row.bytes, row.modified_at, row.path)
                self._unmoved.discard(account_id)
            else:
                self.move(row, self._find(row))
        self._keep_lacking(spark, left)

    def _keep_lacking(self, spark: SparkSession, account_ids: Sequence[str]) -> None:
        known = filter(None, map(self._ledger.find, account_ids))
        places = {row.account_id: account_path(self._settings, row) for row in known}
        lacking = [each for each, path in places.items() if not self._files.exists(path)]
        for row in self._ledger.read(spark, lacking):
            self._keep_account(row)

    def move(self, row: LedgerRow, info: FileInfo | None) -> None:
        """Move the file of an account; where it is that file no more, keep the copy that was read.

        One that may not be moved is settled, and tried again.

        Args:
            row: the account.
            info: the file as it is in landing; None where it is gone.
        """
        if row.archived_path is not None:
            self._files.mkdirs(row.archived_path.rpartition("/")[0])
            try:
                moved = info is not None and self._move_unchanged(info, row.archived_path)
            except AccessError as error:
                if info is not None:
                    self._waits.note(info, error, row.account_id)
                return
            if not moved:
                self._keep_copy(row, row.archived_path)
        self._unmoved.discard(row.account_id)
        if info is not None:
            self._waits.settle(info)

    def _find(self, row: LedgerRow) -> FileInfo | None:
        """Find the very file of an account in landing, though it may have got another name."""
        info = self._files.status(row.path)
        if info is not None and info.key == row.file:
            return info
        if row.file_id is None or row.archived_path is None:
            return None
        landed = self._files.list(self._settings.landing)
        return next((each for each in landed if each.key == row.file), None)

    def _move_unchanged(self, info: FileInfo, target: str) -> bool:
        """Move a file, and tell whether it is in the archive now as it was read."""
        try:
            self._files.rename(info.path, target)
        except NotFoundError:
            return False
        failpoint("during_archive")
        return self._stays(target, info.size, info.modified_at, info.path)

    def _stays(self, target: str, size: int, modified_at: datetime, path: str) -> bool:
        """Tell whether a moved file is as it was read.

        Whoever had it open may have gone on writing meanwhile: then it goes back.
        """
        moved = self._files.status(target)
        if moved is None or moved.is_dir:
            return moved is not None
        is_same = (moved.size, moved.modified_at) == (size, modified_at)
        if is_same and not self._files.is_being_written(target):
            return True
        folder, _, name = path.rpartition("/")
        if self._files.exists(path):
            path = f"{folder}/{marked_name(name, f'~{datetime.now(UTC):%Y%m%d%H%M%S%f}')}"
        self._files.rename(target, path)
        log.info("put back", file=name, why="it was changed after it was read")
        return False

    def _keep_copy(self, row: LedgerRow, target: str) -> None:
        copy, name = self._spool / row.account_id, target.rpartition("/")[2]
        if self._files.exists(target):
            return
        if copy.exists():
            self._files.upload(copy, target)
            log.info("kept as read", file=name)
        elif row.archived_sha256 is not None:
            log.warning(
                "not archived", file=name, why="it is gone, and so is the copy that was read"
            )
