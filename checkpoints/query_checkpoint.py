"""The checkpoint of the query that wakes the stream up: Spark's own business, never read here.

What has been seen is in the ledger, so a checkpoint may be lost: the query reports all of landing
again, and what has an account is known. One that is of no use any more is set aside, not deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lake.fs import FileSystem
from lake.settings import Settings

LONGEST_LIST = 20 * 2**20
"""Bytes of the source's list of files from which on a checkpoint is exchanged: 100,000 files.

The source remembers each file for ever, some 200 bytes each, and writes all of them anew every
tenth batch.
"""


def checkpoint_path(settings: Settings) -> str:
    """Directory of the query's checkpoint."""
    return f"{settings.checkpoints}/stream"


def has_grown_long(files: FileSystem, settings: Settings) -> bool:
    """Tell whether the source remembers so much that it is better to begin anew."""
    lists = files.list(f"{checkpoint_path(settings)}/sources/0")
    return max((info.size for info in lists), default=0) > LONGEST_LIST


def set_aside(files: FileSystem, settings: Settings) -> str:
    """Rename the checkpoint's directory after the time, and return its new path.

    No query may run on it meanwhile.
    """
    path = checkpoint_path(settings)
    aside = f"{path}.aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    if files.exists(path):
        files.rename(path, aside)
    return aside
