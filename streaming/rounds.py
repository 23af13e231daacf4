"""A round: whatever lies in landing is settled, and what is whole and has no account is taken in.

The ledger alone says what is done; so it does not matter what called for a round, nor when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from pyspark.sql import SparkSession

from checkpoints.ledger import LedgerRow
from lake.errors import AccessError, NotFoundError
from lake.fs import FileInfo, FileKey
from streaming.events import LandingSeen
from streaming.intake import drop_time
from streaming.processor import Processor
from streaming.source import SPARK_HAS_DONE, is_at_work, is_drop, is_unfinished

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
    looked_at: set[tuple[str, FileKey]] = set()
    while not ends():
        new = [
            info
            for info in settle_landing(spark, processor)
            if (info.path, info.key) not in looked_at and belongs(info)
        ]
        batch = new[: processor.settings.max_files_per_batch]
        if not batch:
            return
        take(batch)
        looked_at |= {(info.path, info.key) for info in batch}


def settle_landing(spark: SparkSession, processor: Processor) -> list[FileInfo]:
    """Settle what needs no batch, and return the drops without an account, the oldest first.

    * A file with an account, which could not be moved so far, goes to the archive.
    * A directory, or a file whose name is no drop's, is refused with a reason.
    * What could not be read or moved is passed over until its pause is over.
    """
    landed = processor.files.list(processor.settings.landing)
    processor.tell(LandingSeen([info for info in landed if is_drop(info)]))
    processor.waits.keep(landed)
    refused: list[tuple[FileInfo, str]] = []
    new: list[FileInfo] = []
    for info in filter(processor.waits.is_due, landed):
        row = processor.archive.account_of(info)
        try:
            if row is not None:
                processor.archive.move(row, info)
            elif is_drop(info):
                new.append(info)
            elif reason := _why_refused(processor, info):
                refused.append((info, reason))
        except NotFoundError:  # it was taken away since it was listed
            continue
    if refused:
        processor.refuse(spark, refused)
    processor.waits.save()
    now = processor.clock.now()
    return sorted(new, key=lambda info: (drop_time(info.modified_at, now), info.path))


def _why_refused(processor: Processor, info: FileInfo) -> str | None:
    """Say why what is no drop is refused; None for what may become one.

    Programs write under names of which the settings know nothing, close such a file, open it again
    and rename it: it is refused when it has not changed for long.
    """
    if info.is_dir:
        return _why_directory_refused(processor, info)
    if is_unfinished(info.name) or _may_grow(processor, info):
        return None
    return "not_csv: the name of a drop ends in .csv or .csv.gz; rename it and drop it again"


def _why_directory_refused(processor: Processor, folder: FileInfo) -> str | None:
    try:
        inside = list(processor.files.walk(folder.path))
        if any(_is_filling(processor, folder, info) for info in inside):
            return None
    except AccessError:
        inside = []
    if any(info.name == SPARK_HAS_DONE for info in inside):
        return (
            "is_directory: a Spark job wrote it, and landing takes files; move its part-… files, "
            "with names that end in .csv, out of the archived directory into landing"
        )
    return (
        "is_directory: landing takes files; move those that are drops out of the archived "
        "directory into landing"
    )


def _is_filling(processor: Processor, folder: FileInfo, info: FileInfo) -> bool:
    """Tell whether somebody is still writing this file of a directory, as far as can be seen."""
    if processor.files.is_being_written(info.path):
        return True
    names = info.path.removeprefix(f"{folder.path}/").split("/")
    return any(map(is_at_work, names)) and _may_grow(processor, info)


def _may_grow(processor: Processor, info: FileInfo) -> bool:
    """Tell whether a file was changed a short while ago; one dated ahead was given that time."""
    if _is_young(processor, info):
        return True
    processor.set_clock()  # before a file is refused by it
    return _is_young(processor, info)


def _is_young(processor: Processor, info: FileInfo) -> bool:
    age = processor.clock.now() - info.modified_at
    return timedelta(minutes=-1) <= age < timedelta(minutes=processor.settings.settle_minutes)
