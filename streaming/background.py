"""Work in a thread of its own, while the one that began it stays with the clock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread

from lake.errors import LockedError

_LOOK_SECONDS = 0.5


class Background:
    """One piece of work at a time; its error comes back to whoever asks how it is."""

    def __init__(self, tend: Callable[[], object]) -> None:
        """Begin nothing yet; ``tend`` is called now and then where the end has to be waited for."""
        self._tend = tend
        self._work: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin a piece of work; the one before must be done."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                work()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        # A daemon: where it is not waited for, the program ends all the same.
        Thread(target=run, name="rounds", daemon=True).start()
        self._work = done

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
        if self._work is None or isinstance(error, LockedError):
            return
        while wait([self._work], _LOOK_SECONDS).not_done:
            self._tend()
        if error is None:
            self._work.result()
