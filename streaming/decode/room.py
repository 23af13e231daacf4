"""Whether a drop fits onto the disk where it is decoded."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lake.errors import DropRejected

# Where less is free, it is not the drop that is too large.
_LEAST = 1 << 26


@dataclass(frozen=True)
class Room:
    """What was free on the disk of a directory before a drop took anything of it.

    Attributes:
        stored: the drop's size as it is stored.
        copied: what its copy takes of the disk already.
    """

    folder: Path
    free: int
    stored: int
    copied: int = 0

    @classmethod
    def of(cls, folder: Path, stored: int, copied: int = 0) -> Room:
        """Look how much is free now."""
        return cls(folder, shutil.disk_usage(folder).free, stored, copied)

    def require(self, size: int) -> None:
        """See that so many bytes of text, or of names beside rows, fit.

        The rows are packed there at first; but then Spark has about as much of them on the same
        disk. A drop that fills it would end the stream, and again at each start.

        Raises:
            DropRejected: ``too_large``.
            OSError: the disk is full already, which may pass.
        """
        if size <= self.free:
            return
        if self.free + self.copied < _LEAST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        raise DropRejected(
            "too_large",
            f"The file has {self.stored:,} bytes as it is stored and at least {size:,} unpacked, "
            f"and {self.free:,} are free on the disk where the stream decodes it; send it in "
            "parts, or give the stream a larger disk (TMPDIR) and drop it again.",
        )
