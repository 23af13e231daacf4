"""The stored bytes of a drop: plain or gzip, in chunks, in constant memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lake.errors import DropRejected

GZIP_MAGIC = b"\x1f\x8b"
_READ = 1 << 18


def is_gzip(path: Path) -> bool:
    """Tell by the first bytes, not by the name, whether a file is gzip."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def stored_chunks(path: Path, *, gzipped: bool, size: int) -> Iterator[bytes]:
    """Yield the file's content in chunks of at most `size` bytes, unpacked where it is gzip.

    Raises:
        DropRejected: ``truncated_gzip`` or ``damaged_gzip``.
    """
    with path.open("rb") as file:
        if gzipped:
            yield from _unpack(file, size)
        else:
            while chunk := file.read(size):
                yield chunk


def _unpack(file: BinaryIO, size: int) -> Iterator[bytes]:
    pending = file.read(_READ)
    while pending:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            if not pending:
                raise DropRejected(
                    "truncated_gzip",
                    "The gzip file ends too early, so a part is missing; send it again whole.",
                )
            try:
                # Bounded output: a small file may unpack to a thousand times its size.
                unpacked = member.decompress(pending, size)
            except zlib.error:
                raise DropRejected(
                    "damaged_gzip",
                    "The gzip file is damaged; pack it again and send it as binary data.",
                ) from None
            if unpacked:
                yield unpacked
            pending = member.unconsumed_tail or (b"" if member.eof else file.read(_READ))
        pending = _after_padding(member.unused_data, file)


def _after_padding(rest: bytes, file: BinaryIO) -> bytes:
    """Skip the zero bytes with which tapes and some tools pad a gzip member."""
    while True:
        rest = (rest or file.read(_READ)).lstrip(b"\0")
        if rest or not (rest := file.read(_READ)):
            return rest
