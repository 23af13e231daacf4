"""Where a verification keeps what it reads, and what those left there that were killed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from checkpoints.holder import Holder
from lake.fs import FileInfo, FileSystem
from lake.settings import Settings

ABANDONED_AFTER = timedelta(days=1)
"""How long a place in which nothing changes is believed to be in use, where nobody can tell."""

_PREFIX = "verify-"


@contextmanager
def workplace(files: FileSystem, settings: Settings, application: str) -> Iterator[str]:
    """Have a directory of one's own below ``checkpoints/``; it is removed at the end.

    What killed verifications have left there is removed first.

    Args:
        files: where the lake is.
        settings: where in it.
        application: of the caller, by Spark's id.
    """
    here = Holder.this_process(application)
    for info in files.list(settings.checkpoints):
        if info.name.startswith(_PREFIX) and _is_left_over(files, info):
            files.delete(info.path)
    place = f"{settings.checkpoints}/{_PREFIX}{uuid.uuid4().hex}"
    try:
        files.write_text(_owner(place), here.to_text())
        yield place
    finally:
        files.delete(place)


def _is_left_over(files: FileSystem, place: FileInfo) -> bool:
    """Tell whether whoever made a place has ended.

    Of a process that can be seen from here that is known. Of one on another machine, and of a place
    that was killed before it said whose it is, only time tells: its directory changes with each
    piece that is read.
    """
    holder = Holder.from_text(files.read_text(_owner(place.path)) or "")
    runs = holder.runs() if holder else None
    if runs is not None:
        return not runs
    return datetime.now(UTC) - place.modified_at > ABANDONED_AFTER


def _owner(place: str) -> str:
    """The file that says who uses a place."""
    return f"{place}/owner"
