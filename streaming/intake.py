"""Take a landed file in: look at it once, copy it, and name it by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lake.contract import Contract
from lake.errors import DropRejected, NotFoundError
from lake.fs import LATEST_MS, FileInfo, FileSystem, from_millis
from streaming.decode import DecodedDrop, Origin, decode_drop
from streaming.decode.room import Room

VANISHED = "vanished"
"""Why a file is refused that was there when landing was listed, and is gone."""

_CHUNK = 2**20
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Drop:
    """One landed file, copied to local spool space.

    Attributes:
        info: the file as it was when it was read.
        drop_id: SHA-256 of the stored bytes, in hexadecimal.
        spool: the local copy, which is what everything after this reads.
        first_seen_at: when the stream first saw it, by the file system's clock.
        drop_time: see :func:`drop_time`.
    """

    info: FileInfo
    drop_id: str
    spool: Path
    first_seen_at: datetime
    drop_time: datetime

    def decode(self, staged: Path, contract: Contract, *, max_line_bytes: int) -> DecodedDrop:
        """Decode the copy into a staged file; see :func:`streaming.decode.decode_drop`."""
        origin = Origin(self.drop_id, self.info.path, self.drop_time, self.first_seen_at)
        return decode_drop(self.spool, staged, contract, origin, max_line_bytes=max_line_bytes)


class NotYet(Exception):  # noqa: N818 - a wait, not an error
    """The file may still become whole, was changed, or may not be read; look at it again later."""


def drop_time(modified_at: datetime, first_seen_at: datetime) -> datetime:
    """The time of a drop, which decides between rows of one customer with equal dates.

    The file's modification time, unless that is more than a day after it was first seen: a file
    that is dated 2035 would win for nine years.
    """
    return modified_at if modified_at <= first_seen_at + _DAY else first_seen_at


def notes_on_time(modified_at: datetime, first_seen_at: datetime) -> tuple[str, ...]:
    """Say where the time of a file is not what it was, or not the time of its drop."""
    beyond = modified_at == from_millis(LATEST_MS)
    ahead = drop_time(modified_at, first_seen_at) != modified_at
    told = f"{modified_at:%Y-%m-%d}"
    return (
        *((f"the file's time is beyond the calendar, and kept as {told}",) if beyond else ()),
        *((f"dated {told}, so the time at which it was first seen counts",) if ahead else ()),
    )


def take_in(files: FileSystem, path: str, spool: Path, first_seen_at: datetime) -> Drop:
    """Copy a landed file and hash the copy.

    What is decoded later is this copy, so a drop's identity and its rows cannot part, whatever
    happens to the file in the meantime.

    Raises:
        NotYet: a writer holds it open, or it changed while it was copied.
        AccessError: this user may not read it.
        DropRejected: it has vanished, is a directory, or is too large.
        OSError: the disk is full.
    """
    before = files.status(path)
    if before is None:
        raise DropRejected(
            VANISHED, "the file was there when it was noticed and is gone; put it there again"
        )
    if before.is_dir:
        raise DropRejected("is_directory", "landing takes files; put the files themselves there")
    if _is_being_written(files, path):
        raise NotYet("it changes")
    Room.of(spool.parent, before.size).require(before.size)
    _copy(files, path, spool)
    after = files.status(path)
    if after is None or after.key != before.key:
        raise NotYet("it changes")
    time = drop_time(before.modified_at, first_seen_at)
    return Drop(before, hash_file(spool), spool, first_seen_at, time)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, in constant memory."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_being_written(files: FileSystem, path: str) -> bool:
    try:
        return files.is_being_written(path)
    except NotFoundError:
        raise NotYet("it changes") from None


def _copy(files: FileSystem, path: str, spool: Path) -> None:
    try:
        files.download(path, spool)
    except NotFoundError:
        raise NotYet("it changes") from None
