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
    """

    folder: Path
    free: int
    stored: int

    @classmethod
    def of(cls, folder: Path, stored: int) -> Room:
        """Look how much is free now."""
        return cls(folder, shutil.disk_usage(folder).free, stored)

    def require(self, size: int) -> None:
        """See that a text of so many bytes, or its beginning, fits.

        The rows lie there twice at times, but packed; and Spark has about as much of them on the
        same disk. A drop that fills it would end the stream, and again at each start.

        Raises:
            DropRejected: ``too_large``.
            OSError: the disk is full already, which may pass.
        """
        if size <= self.free:
            return
        if self.free < _LEAST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        raise DropRejected(
            "too_large",
            f"The file has {self.stored:,} bytes as it is stored and at least {size:,} unpacked, "
            f"and {self.free:,} are free on the disk where the stream decodes it; send it in "
            "parts, or give the stream a larger disk (TMPDIR) and drop it again.",
        )
