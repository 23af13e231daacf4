"""The lock in every order of steps that chance can find: never two holders at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from checkpoints.holder import Holder
from checkpoints.lock import LEASE_SECONDS, StreamLock
from lake.errors import LockedError
from lake.fs import FileInfo, FileSystem
from lake.settings import Settings

SCHEDULES = 100
SETTINGS = Settings(root="/lake")
HERE = Holder.this_process("local-0")
LONG_AGO = -1000 * (LEASE_SECONDS + 1)
# What they meet, by its text and its time; the clock of this file system stands still at 0.
MEETINGS: dict[str, tuple[str, int] | None] = {
    "absent": None,
    "given back": ("free\n", 0),
    "empty": ("", LONG_AGO),
    "dead": (replace(HERE, created=1.0).to_text(), 0),
    "expired": (replace(HERE, host="far").to_text(), LONG_AGO),
}


class Turns:
    """Lets one of several threads take one step at a time, in an order that a seed chooses."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._mine = threading.local()
        self._done = threading.Semaphore(0)

    def run(self, *actions: Callable[[], None]) -> None:
        """Run these at once, to their ends."""
        waiting = {number: threading.Semaphore(0) for number in range(len(actions))}
        failed: list[BaseException] = []

        def go(number: int, mine: threading.Semaphore) -> None:
            self._mine.turn = mine
            mine.acquire()
            try:
                actions[number]()
            except BaseException as error:
                failed.append(error)
            finally:
                del waiting[number]
                self._done.release()

        threads = [threading.Thread(target=go, args=item) for item in list(waiting.items())]
        for each in threads:
            each.start()
        while waiting:
            self._random.choice(list(waiting.values())).release()
            self._done.acquire()
        for each in threads:
            each.join()
        for error in failed:
            raise error

    def step(self) -> None:
        """Wait for one's turn."""
        if getattr(self._mine, "turn", None) is not None:
            self._done.release()
            self._mine.turn.acquire()


class MemoryFiles(FileSystem):
    """Files in memory; each call is one step, as on a NameNode."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(None, None)
        self._turns = turns
        self.found: dict[str, tuple[str, int]] = {}

    def list(self, path: str) -> list[FileInfo]:
        """Describe the files of the directory."""
        self._turns.step()
        found = sorted(self.found.items())
        return [FileInfo(name, len(text), at, False, "me", 0) for name, (text, at) in found]

    def read_text(self, path: str) -> str | None:
        """Read a file."""
        self._turns.step()
        return self.found[path][0] if path in self.found else None

    def write_text(self, path: str, text: str, *, overwrite: bool = True) -> bool:
        """Write a file."""
        self._turns.step()
        self.found[path] = (text, 0)
        return True

    def put_in_place(self, source: str, target: str) -> bool:
        """Rename, unless the name is taken."""
        self._turns.step()
        content = self.found.pop(source, None)
        if content is None or target in self.found:
            return False
        self.found[target] = content
        return True

    def delete(self, path: str) -> None:
        """Delete a file."""
        self._turns.step()
        self.found.pop(path, None)

    def touch(self, path: str) -> None:
        """Nothing ages here."""
        self._turns.step()

    def now_ms(self, beside: str) -> int:
        """The time that stands still."""
        self._turns.step()
        return 0


@pytest.mark.parametrize("meeting", MEETINGS)
def test_never_two_at_a_time_in_any_order_of_steps(meeting: str) -> None:
    """Three take it, hold it for some steps and give it back, each twice; nobody is held up by it.

    The one whose lease was over may give back what is no longer its own at any moment.
    """
    assert sum(contend(meeting, seed) for seed in range(SCHEDULES)) > SCHEDULES


def contend(meeting: str, seed: int) -> int:
    """Run one schedule, and return how often the lock was taken."""
    files = MemoryFiles(turns := Turns(seed))
    met = MEETINGS[meeting]
    former = StreamLock(files, SETTINGS)
    if met:
        files.found["/lake/checkpoints/lock-3"] = met
    if meeting == "expired":
        former.acquire("local-former")
        files.found[former._newest().path] = met or ("", 0)
    holding: list[int] = []
    taken: list[int] = []

    def take(number: int) -> None:
        for _ in range(2):
            lock = StreamLock(files, SETTINGS)
            try:
                lock.acquire(f"local-{number}")
            except LockedError:
                continue
            holding.append(number)
            taken.append(number)
            lock.confirm()
            assert holding == [number], f"seed {seed}: {holding} hold it"
            holding.remove(number)
            lock.release()

    turns.run(*(partial(take, number) for number in range(3)), former.release)
    assert former._newest().path in files.found
    return len(taken)
