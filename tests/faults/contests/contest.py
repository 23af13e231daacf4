"""Contests for the lock: processes that start at the same moment, whatever lock they meet."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

from checkpoints.holder import Holder
from checkpoints.lock import LEASE_SECONDS
from lake.fs import FileSystem
from tests.processes import ROOT

# What the contenders meet, and how many of them must hold the lock in the end.
MEETINGS = {
    "absent": 1,
    "given back": 1,
    "empty, lease over": 1,
    "empty": 0,
    "dead": 1,
    "expired": 1,
    "expired, but alive": 1,
}
_AGED_MS = 1000 * (LEASE_SECONDS + 30)
# From the order to the start: all of them have read it by then.
_LEAD = 0.01
# Of two that start at the same moment, one writes while the other looks only now and then.
_SPREAD = 0.02


class Process:
    """A contender, seen from here."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.contests.worker"],
            env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def order(self, what: str, root: str, at: float = 0.0, *, apart: bool = False) -> None:
        """Tell it what to do; :meth:`answer` has to come before the next order."""
        assert self._process.stdin is not None
        order = {"what": what, "root": root, "at": at, "apart": apart}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """Read what came of it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Have it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@contextmanager
def contenders(env: Mapping[str, str], count: int = 3) -> Iterator[list[Process]]:
    """Start processes that are ready for contests."""
    processes = [Process(env) for _ in range(count)]
    try:
        assert [each.answer() for each in processes] == ["ready"] * count
        yield processes
    finally:
        for each in processes:
            each.close()


def contest(
    files: FileSystem, set_time: Callable[[str, int], None], processes: Sequence[Process], seed: int
) -> tuple[str, int, int]:
    """Let two or three processes contend once.

    Args:
        files: where; the lake's root follows from the seed.
        set_time: gives a file a modification time.
        processes: three of them.
        seed: chooses all that is not decided by the race.

    Returns:
        What they met, how many of them held the lock, and how many should have.
    """
    random = Random(seed)
    meeting = list(MEETINGS)[seed % len(MEETINGS)]
    root = f"/contests/{seed % 50}"
    # From a container of its own, nobody could see that a process is dead.
    apart = meeting != "dead" and random.random() < 0.5
    rivals = list(processes[: random.choice((2, 3))])
    loser = processes[2] if meeting == "expired, but alive" else None
    rivals = rivals[:2] if loser else rivals
    _prepare(files, set_time, root, meeting, loser)
    start = time.monotonic() + _LEAD
    spread = random.choice((0.0, _SPREAD))
    if loser:
        loser.order("lose", root, start + random.uniform(0, spread), apart=True)
    for each in rivals:
        each.order("acquire", root, start + random.uniform(0, spread), apart=apart)
    if loser:
        loser.answer()
    holders = [each for each in rivals if each.answer() == "held"]
    for each in holders:
        each.order("confirm", root)
        assert each.answer() == "held", f"seed {seed}: the holder was robbed"
        each.order("release", root)
        each.answer()
    return meeting, len(holders), MEETINGS[meeting]


def _prepare(
    files: FileSystem,
    set_time: Callable[[str, int], None],
    root: str,
    meeting: str,
    loser: Process | None,
) -> None:
    """Make the lock that they meet: right after the last one, or the only one there is."""
    folder = f"{root}/checkpoints"
    files.delete(folder)
    if meeting == "absent":
        return
    if loser:
        loser.order("acquire", root, apart=True)
        assert loser.answer() == "held"
    else:
        files.write_text(f"{folder}/lock-8", _text_of(meeting))
    for info in files.list(folder):
        if meeting in ("empty, lease over", "expired", "expired, but alive"):
            set_time(info.path, info.modified_ms - _AGED_MS)


def _text_of(meeting: str) -> str:
    here = Holder.this_process("local-0")
    if meeting == "dead":
        return replace(here, created=1.0).to_text()
    if meeting == "expired":
        return replace(here, host="far").to_text()
    return "free\n" if meeting == "given back" else ""


def run_contests(env: Mapping[str, str], files: FileSystem, seeds: range) -> Counter[str]:
    """Hold contests, and count by what was met.

    Raises:
        AssertionError: there were two holders, or none where there should have been one.
    """
    settled: Counter[str] = Counter()

    def set_time(path: str, millis: int) -> None:
        target: Any = files._path(path)
        files._fs(path).setTimes(target, millis, -1)

    with contenders(env) as processes:
        for seed in seeds:
            meeting, held, wanted = contest(files, set_time, processes, seed)
            assert held == wanted, f"seed {seed}, {meeting}: {held} holders in place of {wanted}"
            settled[meeting] += 1
    files.delete("/contests")
    return settled
