"""Work in a thread of its own, while the one that began it stays with the clock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from lake.errors import LockedError


class Background:
    """One piece of work at a time; its error comes back to whoever asks how it is."""

    def __init__(self) -> None:
        """Have a thread; nothing is done yet."""
        self._thread = ThreadPoolExecutor(1, "rounds")
        self._work: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work; the one before must be done."""
        self._work = self._thread.submit(work)

    def busy(self, seconds: float = 0) -> bool:
        """Wait for the end of the work, at most so long, and tell whether it goes on.

        Raises:
            BaseException: what the work raised, once.
        """
        if self._work is None:
            return False
        if wait([self._work], seconds).not_done:
            return True
        done, self._work = self._work, None
        done.result()
        return False

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Wait for the work, and raise what it raised unless there is an error already.

        Where the tables are another stream's by now it is not waited for: the program ends at once.
        """
        self._thread.shutdown(wait=not isinstance(error, LockedError))
        if error is None and self._work is not None:
            self._work.result()
