"""Set a checkpoint aside that cannot be used, and begin a fresh one; nothing is deleted.

A fresh checkpoint is always safe: the source reports all of landing again, and the ledger knows
which of it is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import structlog

from checkpoints.lock import StreamLock
from checkpoints.spark_checkpoint import (
    DamagedCheckpointError,
    SeenFile,
    SparkCheckpoint,
    checkpoint_path,
)
from lake.errors import NotFoundError, TerminalError
from lake.fs import FileInfo, FileSystem
from lake.reading import Files
from lake.settings import Settings

log = structlog.get_logger()

FORMAT = 1
"""Version of what this program expects of a checkpoint: raise it when an older one will not do."""

LONGEST_LOG = 100_000
"""Files that a source may remember before its checkpoint is exchanged.

It remembers each for ever, writes all of them anew every tenth batch and reads them at a start:
some 200 bytes each.
"""

_MARKER = "flo.json"


class Fault(StrEnum):
    """Why a checkpoint is not used; also the name under which it is set aside."""

    DAMAGED = "damaged"
    OLDER = "older"
    NEWER = "newer"
    FULL = "full"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Finding:
    """What a look at a checkpoint gave.

    Attributes:
        fault: why it cannot be used as it is; None for a sound one, or where there is none.
        why: the same in words.
        seen: the files that its source remembers; none of a faulty one.
    """

    fault: Fault | None = None
    why: str = ""
    seen: Sequence[SeenFile] = ()


@dataclass(frozen=True)
class Opened:
    """A checkpoint to start on, and the files of those of its batches that are done."""

    checkpoint: SparkCheckpoint
    committed: Sequence[SeenFile]


def open_checkpoint(files: FileSystem, settings: Settings, *, longest: int = LONGEST_LOG) -> Opened:
    """Open the checkpoint for a start of the stream, fresh where the one there cannot be used.

    * A damaged one, and one made by an older version of this program, are set aside.
    * One whose source remembers more than ``longest`` files is exchanged, see :func:`rotate`.
    * None, or an empty directory, is where a fresh one begins.

    The caller holds the lock, and no query runs.

    Raises:
        TerminalError: a newer version of this program made it.
        TransientError: the file system did not answer, which says nothing about the checkpoint.
    """
    checkpoint = SparkCheckpoint(files, checkpoint_path(settings))
    found = examine(files, checkpoint)
    if found.fault is Fault.NEWER:
        raise TerminalError(
            f"The checkpoint {checkpoint.path} is of no use here: {found.why}. Start that "
            "version, or set the checkpoint aside with `flo checkpoint rebuild`."
        )
    if found.fault is not None:
        aside = set_aside(files, settings, found.fault)
        log.warning("checkpoint set aside", why=found.why, to=aside)
    elif len(found.seen) > longest and rotate(files, settings) is not None:
        found = Finding()
    _mark(files, checkpoint)
    done = max(checkpoint.committed(), default=-1)
    end = checkpoint.offset_after(done)
    return Opened(checkpoint, [file for file in found.seen if file.offset <= end])


def examine(files: Files, checkpoint: SparkCheckpoint) -> Finding:
    """Look whether a checkpoint can be used as it is."""
    if not files.list(checkpoint.path):
        return Finding()
    made_by = _format(files, checkpoint)
    if made_by > FORMAT:
        return Finding(
            Fault.NEWER,
            f"a newer version of this program made it (format {made_by}, {FORMAT} is known here)",
        )
    if made_by < FORMAT:
        return Finding(Fault.OLDER, "an older version of this program made it")
    try:
        return Finding(seen=checkpoint.check())
    except DamagedCheckpointError as damage:
        return Finding(Fault.DAMAGED, damage.why)


def set_aside(files: FileSystem, settings: Settings, fault: Fault) -> str:
    """Rename the checkpoint's directory after its fault and the time, and return its new path."""
    path = checkpoint_path(settings)
    aside = f"{path}.{fault}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    files.rename(path, aside)
    return aside


def find_set_aside(files: Files, settings: Settings) -> list[FileInfo]:
    """List the directories of checkpoints that were set aside."""
    begin = f"{checkpoint_path(settings).rsplit('/', 1)[-1]}."
    found = files.list(settings.checkpoints)
    return [info for info in found if info.is_dir and info.name.startswith(begin)]


def rotate(files: FileSystem, settings: Settings) -> str | None:
    """Set a sound checkpoint aside that has grown long, so that a fresh one begins.

    Only where no batch is in hand: a file that vanished since its batch was planned is known
    from the plan alone. The caller sees to it that no query runs.

    Returns:
        Where it is now; None where it stays.
    """
    if SparkCheckpoint(files, checkpoint_path(settings)).batch_in_hand() is not None:
        return None
    aside = set_aside(files, settings, Fault.FULL)
    log.info("checkpoint exchanged", why="it remembers too many files", to=aside)
    return aside


def rebuild_checkpoint(files: FileSystem, settings: Settings) -> str | None:
    """Set the checkpoint aside, whatever it is like, so that the next start begins a fresh one.

    That start makes it, and not this: it must belong to the stream's user, whoever this is.
    No stream may run meanwhile: the lock is held until it is done.

    Returns:
        Where the former one is now; None where there was none.

    Raises:
        LockedError: a stream is running; the message says who.
        NotFoundError: there is no place for a checkpoint yet.
    """
    if not files.exists(settings.checkpoints):
        raise NotFoundError(f"There is no {settings.checkpoints}; run `flo init` first.")
    lock = StreamLock(files, settings)
    lock.acquire("flo checkpoint rebuild")
    try:
        there = files.list(checkpoint_path(settings))
        return set_aside(files, settings, Fault.REPLACED) if there else None
    finally:
        lock.release()


def _format(files: Files, checkpoint: SparkCheckpoint) -> int:
    """The format that a checkpoint's marker names; 0 without a marker, as before there was one."""
    text = files.read_text(f"{checkpoint.path}/{_MARKER}")
    try:
        return int(json.loads(text or "")["format"])
    except (ValueError, KeyError, TypeError):
        return 0


def _mark(files: FileSystem, checkpoint: SparkCheckpoint) -> None:
    """Write the marker into the directory itself, so that both are moved and deleted as one."""
    files.write_text(
        f"{checkpoint.path}/{_MARKER}", json.dumps({"format": FORMAT}) + "\n", overwrite=False
    )
