"""A stream in a thread of the tests' own process, on the tests' own Spark session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streaming.events import Tell, tell_nobody
from streaming.supervisor import Supervisor
from tests.lakes import DropLake

IDLE_SECONDS = 10
"""Within which a stream with no batch in hand ends, as docs/runbook.md states."""


class Running:
    """A stream in a thread of this process."""

    def __init__(self, lake: DropLake, tell: Tell = tell_nobody, **settings: object) -> None:
        own = lake.settings.model_copy(update=settings)
        self.supervisor = Supervisor(lake.spark, own, lake.contract, tell=tell)
        self.code: int | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end, as SIGTERM does."""
        self.supervisor.stop.request(interrupt=False)

    def _run(self) -> None:
        try:
            self.code = self.supervisor.run()
        except BaseException as error:
            self.error = error

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def end(self, seconds: float = 60) -> int | None:
        """Wait for the end and return the exit code, or raise what the stream failed of."""
        self.join(seconds)
        assert not self.alive, "the stream did not end"
        if self.error:
            raise self.error
        return self.code


@contextmanager
def running(lake: DropLake, tell: Tell = tell_nobody, **settings: object) -> Iterator[Running]:
    """Run a stream; whatever happens, it has ended afterwards."""
    stream = Running(lake, tell, **settings)
    try:
        yield stream
    finally:
        if stream.alive:
            stream.stop()
            stream.join(60)


class Killed(BaseException):
    """What a kill is to a test that has to live on."""


@contextmanager
def killed_at(step: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have what the block does break off at a step, which it has to come to."""

    def kill(name: str) -> None:
        if name == step:
            raise Killed

    with patch.context() as patched:
        patched.setattr("lake.failpoint.kill_at", kill)
        with pytest.raises(Killed):
            yield


@contextmanager
def held_at(step: str, patch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold the batch in hand at a step until the block ends; the event tells that it is there."""
    there, on = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == step:
            there.set()
            assert on.wait(60)

    with patch.context() as patched:
        patched.setattr("lake.failpoint.kill_at", hold)
        try:
            yield there
        finally:
            on.set()
