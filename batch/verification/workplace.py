"""Where a verification keeps what it reads, and what those left there that were killed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from checkpoints.lock import Holder, LockView
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
        if info.name.startswith(_PREFIX) and _is_left_over(files, settings, info, here):
            files.delete(info.path)
    place = f"{settings.checkpoints}/{_PREFIX}{uuid.uuid4().hex}"
    try:
        files.write_text(_Owner(files, settings, place).path, json.dumps(asdict(here)))
        yield place
    finally:
        files.delete(place)


def _is_left_over(files: FileSystem, settings: Settings, place: FileInfo, here: Holder) -> bool:
    """Tell whether whoever made a place has ended.

    Of a process on this machine that is known. Of one on another, and of a place that was killed
    before it said whose it is, only time tells: its directory changes with each piece that is read.
    """
    owner = _Owner(files, settings, place.path)
    holder = owner.holder()
    if holder is not None and (holder.host, holder.boot) == (here.host, here.boot):
        return not owner.is_alive(holder)
    return datetime.now(UTC) - place.modified_at > ABANDONED_AFTER


class _Owner(LockView):
    """Who uses a place: said as in the stream's lock, in a file of the place's own."""

    def __init__(self, files: FileSystem, settings: Settings, place: str) -> None:
        super().__init__(files, settings)
        self.path = f"{place}/owner"
