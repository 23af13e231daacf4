"""Bytes on the local disk. Standard library only."""

from __future__ import annotations

import os


def bytes_below(folder: str) -> int:
    """Bytes of all files below a folder; those of Hadoop's checksums are not counted."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if not (name.startswith(".") and name.endswith(".crc")):
                total += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118
    return total
