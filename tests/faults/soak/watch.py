"""What a soak sees of the stream from outside: how long its batches take, and its memory."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.soak.webhdfs import WebHdfs

# Of the heap, or of each generation; of parts of one, and of what is beside it, no "total" is told.
_USED = re.compile(r"total [0-9]+K, used ([0-9]+)K")


@dataclass
class Batch:
    """One batch, by the clock of HDFS in ms since 1970.

    Attributes:
        number: Spark's.
        planned_ms: when its plan was written, ``offsets/<number>``.
        finished_ms: when its end was written, ``commits/<number>``: all tables, the archive and
            upkeep are done by then. None before that.
        java_bytes, python_bytes: resident memory of the driver's two halves when this was seen.
    """

    number: int
    planned_ms: int
    finished_ms: int | None = None
    java_bytes: int = 0
    python_bytes: int = 0

    @property
    def seconds(self) -> float:
        """How long it took."""
        assert self.finished_ms is not None
        return (self.finished_ms - self.planned_ms) / 1000


class BatchClock:
    """Reads the batches off the checkpoint's directory, which keeps the newest twenty."""

    def __init__(self, hdfs: WebHdfs, checkpoint: str) -> None:
        self._hdfs = hdfs
        self._checkpoint = checkpoint
        self._batches: dict[tuple[int, int], Batch] = {}

    def look(self) -> tuple[int, list[Batch]]:
        """Look, and tell how many batches have been planned and which ones finished, since then."""
        # In this order: a batch that finishes in between is finished at the next look.
        commits = self._numbered("commits")
        planned = 0
        for number, at in self._numbered("offsets").items():
            if (number, at) not in self._batches:
                self._batches[number, at] = Batch(number, at)
                planned += 1
        finished = []
        for batch in self._batches.values():
            at_end = commits.get(batch.number)
            # A commit from before the plan is that of a checkpoint that was set aside.
            if batch.finished_ms is None and at_end is not None and at_end >= batch.planned_ms:
                batch.finished_ms = at_end
                finished.append(batch)
        return planned, finished

    @property
    def in_hand(self) -> bool:
        """Whether a batch is planned and not finished."""
        return any(batch.finished_ms is None for batch in self._batches.values())

    def _numbered(self, directory: str) -> dict[int, int]:
        found = self._hdfs.list(f"{self._checkpoint}/{directory}")
        return {int(name): at for name, at in sorted(found.items()) if name.isdecimal()}


def resident_bytes(driver: int) -> tuple[int, int]:
    """Measure the resident memory of a driver: of the JVM, and of its Python processes."""
    java = psutil.Process(driver)
    python = 0
    for child in java.children(recursive=True):
        try:
            python += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return java.memory_info().rss, python


def live_heap_bytes(driver: int) -> int:
    """Collect a JVM's garbage, and measure what is left on its heap.

    Twice: Spark's cleaner lets go of more when the first collection has told it what is unused.
    """
    for _ in range(2):
        _jcmd(driver, "GC.run")
    told = _jcmd(driver, "GC.heap_info")
    used = [int(each) for each in _USED.findall(told)]
    if not used:
        raise ValueError(f"The heap's size is not in what the JVM says of it: {told}")
    return sum(used) * 1024


def _jcmd(pid: int, command: str) -> str:
    """Ask a JVM, by the tool of the very Java that runs it."""
    tool = Path(psutil.Process(pid).exe()).with_name("jcmd")
    done = subprocess.run(
        [str(tool), str(pid), command], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout
