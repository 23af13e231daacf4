"""What a signal asks for, and what a second one does."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

import streaming.stopping
from lake.settings import Settings
from streaming.stopping import StopRequest


class Ended(BaseException):
    """What the end of the process is to a test that has to live on."""


class Process:
    """The process that would end: its clock, and what it killed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.killed: list[int] = []
        patch.setattr(streaming.stopping.time, "monotonic", lambda: self.now)
        patch.setattr(os, "kill", lambda pid, number: self.killed.append(pid))
        patch.setattr(os, "_exit", self._exit)

    def _exit(self, code: int) -> None:
        raise Ended(code)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    """Let the process of the test be one that may end."""
    return Process(monkeypatch)


@pytest.fixture
def stop() -> StopRequest:
    """Make a request that no file system is asked about."""
    nothing: Any = None
    return StopRequest(nothing, Settings())


def test_a_signal_that_comes_twice_at_once_is_one_request(
    stop: StopRequest, process: Process
) -> None:
    """A process group's signal reaches the JVM and Python: the batch in hand is finished."""
    for seconds in (0.0, 0.1, 0.3):
        process.now += seconds
        stop.request(interrupt=False)
    assert stop
    assert not stop.interrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_request_ends_the_driver_at_once(
    number: int,
    code: int,
    stop: StopRequest,
    process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both halves of it: the JVM that spark-submit started, and this process."""
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    stop._on_signal(number, None)
    process.now += 0.6
    with pytest.raises(Ended, match=str(code)):
        stop._on_signal(number, None)
    assert process.killed == [os.getppid()]


def test_without_spark_submit_the_parent_is_somebody_elses(
    stop: StopRequest, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run as plain `python flo/stream_job.py`, the parent is a shell: it is left alone."""
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    stop.request(interrupt=False)
    process.now += 0.6
    with pytest.raises(Ended):
        stop.request(interrupt=False)
    assert process.killed == []
