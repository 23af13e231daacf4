"""One stream at a time: a lock in HDFS that says who holds it.

It is a row of files, ``lock-1``, ``lock-2`` and so on, of which the newest counts: it names a
holder, or says that there is none. Whoever takes the lock, or gives it back, puts the next one into
place, in one step that only one can win; no step removes a file that counts. What is older is
cleared away by whoever has won. A file that a slow contender has put there too late, below the
newest, does not count either, and it sees that. See ADR 16.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from checkpoints.holder import Holder
from lake.errors import AccessError, LockedError, NotFoundError, TransientError
from lake.fs import FileInfo, FileSystem
from lake.reading import Files
from lake.settings import Settings

# A holder whose process cannot be seen from here is believed alive while its lock is younger.
LEASE_SECONDS = 60

_NAME = re.compile(r"lock(?:-(?P<number>[0-9]+))?")  # without a number: of earlier versions
_UNPLACED = re.compile(r"lock(-[0-9]+)?\.[0-9a-f]{32}")
_FREE = "free\n"
_ATTEMPTS = 10


@dataclass(frozen=True)
class _Entry:
    """The lock as the newest of its files says; there may be none yet: number -1, and free."""

    number: int = -1
    path: str = ""
    modified_ms: int = 0
    free: bool = True
    holder: Holder | None = None


class LockView:
    """The lock below ``checkpoints/``, to be looked at."""

    def __init__(self, files: Files, settings: Settings) -> None:
        """Name the lock of these settings; nothing is touched yet."""
        self._seen = files
        self._folder = settings.checkpoints

    def look(self) -> tuple[Holder | None, bool]:
        """Who holds the lock, None where nobody does, and whether that process still runs."""
        newest = self._newest()
        return newest.holder, newest.holder is not None and self._is_held(newest)

    def holder(self) -> Holder | None:
        """Who holds the lock, alive or dead; None where nobody does."""
        return self._newest().holder

    def live_holder(self) -> Holder | None:
        """Who holds the lock, if that process still runs."""
        holder, alive = self.look()
        return holder if alive else None

    def _newest(self) -> _Entry:
        """Read the file that counts."""
        for _ in range(_ATTEMPTS):
            numbered = self._numbered()
            if not numbered:
                return _Entry()
            number = max(numbered)
            info = numbered[number]
            text = self._seen.read_text(info.path)
            if text is not None:  # else it was cleared away: there is a newer one
                holder = Holder.from_text(text)
                return _Entry(number, info.path, info.modified_ms, text == _FREE, holder)
        raise TransientError(f"The lock in {self._folder} changes hands all the time; try again.")

    def _numbered(self) -> dict[int, FileInfo]:
        found = ((_NAME.fullmatch(info.name), info) for info in self._seen.list(self._folder))
        return {int(name["number"] or 0): info for name, info in found if name}

    def _is_held(self, newest: _Entry, application: str = "") -> bool:
        """Tell whether a lock is somebody's who may still run.

        Args:
            newest: the lock.
            application: of the caller; an earlier attempt of that one does not hold it any more.
        """
        if newest.free:
            return False
        holder = newest.holder
        if holder is not None:
            if application.startswith("app") and holder.application == application:
                return False  # an earlier attempt of this very YARN application
            runs = holder.runs()
            if runs is not None:
                return runs
        # Of a process elsewhere, and of a lock that cannot be read, only time tells.
        return self._now_ms() - newest.modified_ms < 1000 * LEASE_SECONDS

    def _now_ms(self) -> int:
        """This machine's time, which has to do for who only looks."""
        return int(time.time() * 1000)


class StreamLock(LockView):
    """The lock below ``checkpoints/``, to be taken."""

    def __init__(self, files: FileSystem, settings: Settings) -> None:
        """Name the lock of these settings; nothing is touched yet."""
        super().__init__(files, settings)
        self._files = files
        self._claim: Holder | None = None
        self._mine: _Entry | None = None
        self._refreshed = 0.0

    def acquire(self, application: str) -> None:
        """Take the lock; a dead holder's is taken over at once.

        Raises:
            LockedError: another stream is running; the message says who and how to stop it.
        """
        mine = self._claim = self._claim or Holder.this_process(application)
        for _ in range(_ATTEMPTS):
            newest = self._newest()
            # Put there just now, or by a try whose answer was lost with the NameNode.
            if newest.holder == mine:
                self._mine, self._refreshed = newest, time.monotonic()
                self._clear_below(newest)
                return
            if self._is_held(newest, application):
                raise LockedError(_held_by(newest))
            self._put(newest.number + 1, mine.to_text())
        raise TransientError(f"The lock in {self._folder} changes hands all the time; try again.")

    def confirm(self) -> None:
        """Make sure that the lock is still this process's.

        Raises:
            LockedError: the lock was taken by somebody else in the meantime.
        """
        newest = self._newest()
        if self._mine is None or newest.holder != self._mine.holder:
            by = newest.holder or "nobody"
            raise LockedError(f"The lock in {self._folder} is held by {by} now; this stream ends.")

    def refresh(self) -> None:
        """Show that this process is alive; call it more often than the lease lasts.

        Raises:
            LockedError: the lock was taken by somebody else in the meantime.
        """
        if self._mine is None or time.monotonic() - self._refreshed < LEASE_SECONDS / 4:
            return
        self.confirm()
        try:
            self._files.touch(self._mine.path)
        except NotFoundError:  # it was taken over, and cleared away, right after the look
            self.confirm()
        self._refreshed = time.monotonic()

    def release(self) -> None:
        """Give the lock back, if it is still this process's."""
        if self._mine is not None:
            self._put(self._mine.number + 1, _FREE)
            self._clear_below(self._newest())
        self._mine = self._claim = None

    def _put(self, number: int, text: str) -> None:
        """Put a file of the lock into place whole, unless there is one of that number."""
        whole = f"{self._folder}/lock.{uuid.uuid4().hex}"
        self._files.write_text(whole, text)
        self._files.put_in_place(whole, f"{self._folder}/lock-{number}")

    def _clear_below(self, newest: _Entry) -> None:
        """Remove what no longer counts, and what those left that were killed before they put it."""
        long_ago = newest.modified_ms - 1000 * LEASE_SECONDS
        for info in self._seen.list(self._folder):
            name = _NAME.fullmatch(info.name)
            older = name is not None and int(name["number"] or 0) < newest.number
            if older or (_UNPLACED.fullmatch(info.name) and info.modified_ms < long_ago):
                self._files.delete(info.path)

    def _now_ms(self) -> int:
        """The file system's own time: its times are compared with no other clock."""
        try:
            return self._files.now_ms(f"{self._folder}/lock")
        except AccessError:  # who may not write here only looks
            return super()._now_ms()


def _held_by(newest: _Entry) -> str:
    if newest.holder is None:
        return (
            f"The lock {newest.path} was not written whole, so nobody knows whose it is; "
            f"it may be taken {LEASE_SECONDS} s after it was written: start again then."
        )
    return (
        f"Another stream is running on these tables: {newest.holder}. "
        "End it with `flo stop`, or choose another root with FLO_ROOT."
    )


@contextmanager
def holding(lock: StreamLock, application: str) -> Iterator[None]:
    """Hold the lock, and show all the while that its holder is alive."""
    lock.acquire(application)
    done = threading.Event()
    alive = threading.Thread(target=_refresh, args=(lock, done), name="flo-lock", daemon=True)
    alive.start()
    try:
        yield
    finally:
        done.set()
        alive.join()
        lock.release()


def _refresh(lock: StreamLock, done: threading.Event) -> None:
    while not done.wait(LEASE_SECONDS / 8):
        try:
            lock.refresh()
        except LockedError:
            return
        except TransientError:
            continue
