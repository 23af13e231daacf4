"""Take a landed file in: look at it once, copy it, and name it by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lake.errors import AccessError, DropRejected, NotFoundError
from lake.fs import FileInfo, FileSystem
from streaming.decode.room import Room

VANISHED = "vanished"
"""Why a file is refused that was there when landing was listed, and is gone."""

_CHUNK = 2**20


@dataclass(frozen=True)
class Drop:
    """One landed file, copied to local spool space.

    Attributes:
        info: the file as it was when it was read; its modification time is the drop's time.
        drop_id: SHA-256 of the stored bytes, in hexadecimal.
        spool: the local copy, which is what everything after this reads.
    """

    info: FileInfo
    drop_id: str
    spool: Path


class NotYet(Exception):  # noqa: N818 - a wait, not an error
    """The file may still become whole, or was changed; look at it again later."""


def take_in(files: FileSystem, path: str, spool: Path) -> Drop:
    """Copy a landed file and hash the copy.

    What is decoded later is this copy, so a drop's identity and its rows cannot part, whatever
    happens to the file in the meantime.

    Raises:
        NotYet: a writer holds it open, or it changed while it was copied.
        DropRejected: it has vanished, is a directory, may not be read, or is too large.
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
        raise NotYet
    Room.of(spool.parent, before.size).require(before.size)
    _copy(files, path, spool)
    after = files.status(path)
    if after is None or (after.size, after.modified_ms) != (before.size, before.modified_ms):
        raise NotYet
    return Drop(before, hash_file(spool), spool)


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
        raise NotYet from None


def _copy(files: FileSystem, path: str, spool: Path) -> None:
    try:
        files.download(path, spool)
    except AccessError:
        raise DropRejected(
            "no_permission", "the stream's user may not read the file; give it read permission"
        ) from None
    except NotFoundError:
        raise NotYet from None
