"""A round: whatever lies in landing is settled, and what is whole and has no account is taken in.

The ledger alone says what is done; so it does not matter what called for a round, nor when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from pyspark.sql import SparkSession

from checkpoints.ledger import LedgerRow
from lake.errors import AccessError, NotFoundError
from lake.fs import FileInfo
from lake.paths import marked_name
from streaming.events import LandingSeen
from streaming.processor import Processor
from streaming.source import is_drop, is_unfinished

log = structlog.get_logger()


class Present:
    """The files that were there at some time, by their paths and by how they look."""

    def __init__(self, files: Iterable[FileInfo]) -> None:
        """Remember them."""
        listed = list(files)
        self._paths = {info.path for info in listed}
        # A round may give a file another name.
        self._looks = {(info.modified_ms, info.size) for info in listed}

    def has(self, info: FileInfo) -> bool:
        """Tell whether a file was there."""
        return info.path in self._paths or (info.modified_ms, info.size) in self._looks


TakeBatch = Callable[[Sequence[FileInfo]], Sequence[LedgerRow]]


def take_round(
    spark: SparkSession,
    processor: Processor,
    take: TakeBatch,
    ends: Callable[[], bool],
    belongs: Callable[[FileInfo], bool] = lambda _: True,
) -> None:
    """Take in batch after batch, the oldest drops first, until there is nothing more to take.

    Args:
        spark: a session for the ledger.
        processor: holds the ledger; no other round runs beside this one.
        take: takes a batch in, and returns its accounts.
        ends: asked before each batch whether the round is to end.
        belongs: tells which files the round keeps to.
    """
    # A file that a writer holds open is looked at once, and again when it is closed.
    looked_at: set[tuple[str, int, int]] = set()
    while not ends():
        new = [
            info
            for info in settle_landing(spark, processor)
            if info.appearance not in looked_at and belongs(info)
        ]
        batch = new[: processor.settings.max_files_per_batch]
        if not batch:
            return
        take(batch)
        looked_at |= {info.appearance for info in batch}


def settle_landing(spark: SparkSession, processor: Processor) -> list[FileInfo]:
    """Settle what needs no batch, and return the drops without an account, the oldest first.

    * An accounted-for file, left by a crash between ledger and move, goes to the archive.
    * A directory, or a file whose name is no drop's, is refused with a reason.
    """
    landed = processor.files.list(processor.settings.landing)
    processor.tell(LandingSeen([info for info in landed if is_drop(info)]))
    refused: list[LedgerRow] = []
    new: list[FileInfo] = []
    for info in landed:
        row = processor.account_of(info)
        try:
            if row is not None:
                processor.archive(row)
            elif is_drop(info):
                new.append(_as_new(processor, info))
            else:
                refused += _refuse(processor, info)
        except NotFoundError:  # it was taken away since it was listed
            continue
    if refused:
        processor.finish(spark, refused)
    return sorted(new, key=lambda info: (info.modified_ms, info.path))


def _as_new(processor: Processor, info: FileInfo) -> FileInfo:
    """Give another file that has the name and time of one with an account a name of its own."""
    known = processor.ledger.find(info.path, info.modified_ms)
    if known is None or processor.files.is_being_written(info.path):
        return info
    name = marked_name(info.name, f"~{datetime.now(UTC):%Y%m%d%H%M%S%f}")
    fresh = f"{info.path.rpartition('/')[0]}/{name}"
    processor.files.rename(info.path, fresh)
    log.info("renamed", file=info.name, to=name, why="name and time are those of another drop")
    return replace(info, path=fresh)


def _refuse(processor: Processor, info: FileInfo) -> list[LedgerRow]:
    if is_unfinished(info.name) or (info.is_dir and _is_filling(processor, info)):
        return []
    reason = (
        "is_directory: landing takes files; put the files themselves there"
        if info.is_dir
        else "not_csv: the name of a drop ends in .csv or .csv.gz; rename it and drop it again"
    )
    account = processor.open_account(info, None, datetime.now(UTC))
    return [replace(account, reason=reason)]


def _is_filling(processor: Processor, folder: FileInfo) -> bool:
    """Tell whether somebody is still copying files into a directory, as far as can be seen."""
    try:
        return any(
            is_unfinished(info.name) or processor.files.is_being_written(info.path)
            for info in processor.files.walk(folder.path)
        )
    except AccessError:
        return False
