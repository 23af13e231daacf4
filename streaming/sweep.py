"""Look at landing beside the query: what the source cannot see, or will never look at again."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import structlog
from pyspark.sql import SparkSession

from checkpoints.ledger import LedgerRow, State
from checkpoints.spark_checkpoint import SeenFile
from lake.errors import AccessError
from lake.fs import FileInfo, from_millis
from streaming.archive import archive_path
from streaming.events import LandingSeen
from streaming.processor import Processor
from streaming.source import UNFINISHED, is_drop

log = structlog.get_logger()

_RENEWED = re.compile(r"~[0-9]{20}(?=(\.[^/]*)?$)")


def names_of(path: str) -> Iterator[str]:
    """The paths that a file had, as far as its present one tells, this one first.

    Each time that the sweep gives it a fresh name, the one before is a part of the new one.
    """
    yield path
    while (earlier := _RENEWED.sub("", path)) != path:
        yield (path := earlier)


def find_deferred(processor: Processor, seen: Iterable[SeenFile]) -> dict[str, SeenFile]:
    """List the files that the source has reported and that have no account yet.

    A stream that is killed forgets which files it found still being written: the checkpoint and
    the ledger together remember.
    """
    known = {each for path in processor.ledger.paths() for each in names_of(path)}
    return {file.path: file for file in seen if file.path not in known}


def sweep(spark: SparkSession, processor: Processor, seen: set[str]) -> list[LedgerRow]:
    """Settle or renew what lies in landing and would otherwise lie there for ever.

    * An accounted-for file, left by a crash between ledger and move, goes to the archive.
    * A file that the source has seen and will not report again (overwritten under its old name,
      or still being written when it was noticed) gets a fresh name, once it is whole.
    * A directory, or a file whose name is no drop's, is refused with a reason.
    * A file that was waited for and is gone without having been whole is refused as vanished.

    Args:
        spark: a session for the ledger.
        processor: holds the ledger; no batch runs while landing is swept.
        seen: paths of the files of committed batches.

    Returns:
        The accounts that were added.
    """
    with processor.mutex:
        landed = processor.files.list(processor.settings.landing)
        processor.tell(LandingSeen([info for info in landed if is_drop(info)]))
        refused = _refuse_vanished(processor, {n for info in landed for n in names_of(info.path)})
        for info in landed:
            row = processor.account_of(info)
            if row is not None:
                processor.archive(row)
            elif not is_drop(info):
                refused += _refuse(processor, info)
            elif info.path in seen and not processor.files.is_being_written(info.path):
                _renew(processor, info)
        processor.finish(spark, refused)
        return refused


def _renew(processor: Processor, info: FileInfo) -> None:
    """Give a file a name under which the source has not seen it; its time stays."""
    folder, _, name = info.path.rpartition("/")
    stem, dot, suffix = name.partition(".")
    fresh = f"{folder}/{stem}~{datetime.now(UTC):%Y%m%d%H%M%S%f}{dot}{suffix}"
    processor.files.rename(info.path, fresh)
    processor.deferred.pop(info.path, None)
    log.info("renamed", file=name, to=fresh.rsplit("/", 1)[-1], why="other bytes, same name")


def _refuse_vanished(processor: Processor, landed: set[str]) -> list[LedgerRow]:
    gone = [file for path, file in processor.deferred.items() if path not in landed]
    now = datetime.now(UTC)
    for file in gone:
        del processor.deferred[file.path]
    return [
        LedgerRow(
            path=file.path,
            bytes=0,
            modified_at=from_millis(file.modified_ms),
            state=State.REJECTED,
            reason="vanished: the file was taken away while it was still being written; "
            "put it there again",
            started_at=now,
        )
        for file in gone
    ]


def _refuse(processor: Processor, info: FileInfo) -> list[LedgerRow]:
    if any(fnmatch.fnmatch(info.name, pattern) for pattern in UNFINISHED):
        return []
    if info.is_dir and _is_filling(processor, info):
        return []
    reason = (
        "is_directory: landing takes files; put the files themselves there"
        if info.is_dir
        else "not_csv: the name of a drop ends in .csv or .csv.gz; rename it and drop it again"
    )
    now = datetime.now(UTC)
    return [
        LedgerRow(
            path=info.path,
            bytes=info.size,
            modified_at=info.modified_at,
            state=State.REJECTED,
            reason=reason,
            started_at=now,
            archived_path=archive_path(processor.settings, processor.files, info.path, now),
        )
    ]


def _is_filling(processor: Processor, folder: FileInfo) -> bool:
    """Tell whether somebody is still copying files into a directory, as far as can be seen."""
    try:
        return any(
            any(fnmatch.fnmatch(info.name, pattern) for pattern in UNFINISHED)
            or processor.files.is_being_written(info.path)
            for info in processor.files.walk(folder.path)
        )
    except AccessError:
        return False
