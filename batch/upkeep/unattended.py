"""Upkeep by the stream itself, between two batches, so that nothing must be scheduled.

What it costs and saves, measured on two cores over the sandbox's HDFS:

- Each small file cost a batch 8 ms while it was a MERGE: ten rose from 2.1 s to 4.4 s each while 28
  files became 217, and took 2.6 s after a compaction. An OPTIMIZE takes 0.9 s and 1.3 ms per small
  file (2.1 s for 1,000). With up to four new files a batch both together are least near 32 small
  files: an OPTIMIZE in eight batches at the soonest, 0.1 s a batch, and as much for the files that
  wait.
- Snapshots, quarantine and the ledger are seldom scanned by the stream: 128 small files.
- Files of 16 MB are left alone, so what is put together again and again stays below that.
- Where a fifth of all rows is only marked as deleted, the files with such marks are written anew:
  at most five rows for each row that changed. For eight million customers and drops of 10,000
  rows that is half a minute once in 200 batches.
- A look at a table takes 0.1 s, and the version number, which is in memory, says when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog
from pyspark.sql import SparkSession

from batch.upkeep.maintain import (
    DAY,
    Limits,
    compact,
    look_at,
    may_have_old_files,
    own_session,
    vacuum,
)
from lake.causes import tell
from lake.delta import delta_log
from lake.errors import TransientError
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import FEATURES, INTERNAL, ON_DEMAND, TABLES

log = structlog.get_logger()

_SMALL_BYTES, _DELETED_SHARE = 16 * 2**20, 0.2
LIMITS: Mapping[str, Limits] = {
    name: Limits(
        small_files=32 if name == FEATURES else 128,
        small_bytes=_SMALL_BYTES,
        deleted_share=_DELETED_SHARE,
    )
    for name in TABLES
}
# Most files that a commit of the stream adds, and most commits of a batch on one table.
_FILES_PER_COMMIT = 4
_COMMITS_PER_BATCH = 3


class Upkeep:
    """Keeps the tables of a running stream in shape.

    - A table is looked at once in so many commits that its small files may have come near their
      limit; its version says when, so that a stream which is started anew for each drop looks
      as often as one that runs for weeks.
    - A table outside its limits is compacted, see :func:`batch.upkeep.maintain.compact`.
    - Once a day, files older than ``keep_days`` are removed from the tables that are older.
    - Delta itself checkpoints and cleans the log of a table that is written to.

    Trouble never ends the stream: it is logged, and the next look tries again.
    """

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        *,
        limits: Mapping[str, Limits] = LIMITS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare; ``stopping`` tells that the stream is asked to end, so nothing is begun."""
        self._spark = own_session(spark)
        self._settings = settings
        self._limits = limits
        self._stopping = stopping
        self._looked: dict[str, int] = {}

    def after_batch(self) -> None:
        """Do what is due after a batch, which is nearly always nothing."""
        try:
            looked = [name for name in TABLES if not self._stopping() and self._keep(name)]
            if looked and not self._stopping():
                self._remove_old_files()
        except Exception as error:
            log.warning("upkeep failed", why=tell(error), next="tried again at the next look")

    def _keep(self, name: str) -> bool:
        """Look at a table if it is time, and compact it where it needs that."""
        limits = self._limits[name]
        if not self._is_time(name, limits):
            return False
        started = time.monotonic()
        try:
            found = look_at(self._spark, self._settings, name, limits)
            if done := compact(self._spark, self._settings, name, limits, found):
                seconds = round(time.monotonic() - started, 1)
                log.info("upkeep", table=name, did=",".join(done), files=found.files, s=seconds)
        except TransientError as error:
            log.warning("upkeep put off", table=name, why=str(error))
        return True

    def _is_time(self, name: str, limits: Limits) -> bool:
        version = int(
            delta_log(self._spark, self._settings, name).unsafeVolatileSnapshot().version()
        )
        step = max(1, limits.small_files // _FILES_PER_COMMIT)
        before = self._looked.get(name, max(0, version - _COMMITS_PER_BATCH))
        # Noted first: what fails is not tried again after each batch.
        self._looked[name] = version
        return version // step > before // step

    def _remove_old_files(self) -> None:
        """Vacuum, once a day, the tables that can have anything to remove."""
        named = (*TABLES, *ON_DEMAND, *INTERNAL)
        old = [n for n in named if may_have_old_files(self._spark, self._settings, n)]
        files, marker = FileSystem.of(self._spark), vacuum_marker(self._settings)
        last = files.status(marker)
        if not old or (last is not None and time.time() - last.modified_ms / 1000 < DAY):
            return
        # Marked first, for the same reason.
        files.write_text(marker, "The day's removal of old files began.\n")
        for name in old:
            if self._stopping():
                return
            removed = vacuum(self._spark, self._settings, name)
            log.info("vacuumed", table=name, files=removed)


def vacuum_marker(settings: Settings) -> str:
    """Path of the file whose modification time says when the stream last removed old files."""
    return f"{settings.checkpoints}/vacuumed"
