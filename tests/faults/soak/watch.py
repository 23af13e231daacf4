"""What a soak sees of the stream from outside: how long its batches take, and its memory."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from tests.faults.soak.webhdfs import WebHdfs

# Of the heap, or of each generation; of parts of one, and of what is beside it, no "total" is told.
_USED = re.compile(r"total [0-9]+K, used ([0-9]+)K")


# The stream's own word on a batch that is done.
_DONE = re.compile(
    r"^timestamp=(\S+) level=info event=batch batch=([0-9]+) .*? seconds=([0-9.]+)", re.MULTILINE
)


@dataclass
class Batch:
    """One batch, in ms since 1970.

    Attributes:
        number: the ledger's.
        planned_ms: when it was begun.
        finished_ms: when all tables, the archive and upkeep were done.
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
    """Reads the batches that are done off the streams' logs, and the one in hand off HDFS."""

    def __init__(self, hdfs: WebHdfs, staging: str) -> None:
        self._hdfs = hdfs
        self._staging = staging
        self._read: dict[int, int] = {}
        self._finished = self._begun = 0
        self.in_hand = False

    def look(self, logs: Sequence[str]) -> tuple[int, list[Batch]]:
        """Look, and tell how many batches have been begun and which ones finished, since then.

        Args:
            logs: what each stream has said so far, one after the other.
        """
        finished = [batch for at, log in enumerate(logs) for batch in self._new(at, log)]
        self._finished += len(finished)
        epochs = self._hdfs.list(self._staging)
        self.in_hand = any(self._hdfs.list(f"{self._staging}/{each}") for each in epochs)
        begun = max(self._begun, self._finished + self.in_hand)
        planned, self._begun = begun - self._begun, begun
        return planned, finished

    def _new(self, at: int, log: str) -> list[Batch]:
        done = _DONE.findall(log)
        new, self._read[at] = done[self._read.get(at, 0) :], len(done)
        return [_batch(*each) for each in new]


def _batch(stamp: str, number: str, seconds: str) -> Batch:
    end = int(datetime.fromisoformat(stamp).timestamp() * 1000)
    return Batch(int(number), end - round(1000 * float(seconds)), end)


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
