"""A stream that loses its lock while it is held up writes nothing more when it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints.lock import StreamLock
from lake.errors import LockedError
from lake.fence import Fence
from streaming.processor import Processor
from streaming.stopping import ask_to_stop, stop_marker
from streaming.supervisor import Supervisor
from tests.expected import assert_taken_in
from tests.faults.drops import make_drops
from tests.faults.running import held_at, running
from tests.faults.world import put
from tests.lakes import DropLake, versions
from tests.processes import Stream, wait_for

pytestmark = pytest.mark.integration

APPLICATION = "application_1_0001"
acquire = StreamLock.acquire


def from_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """Be in another container, where the stream's process cannot be seen, and wait for no lease."""
    patch.setattr("checkpoints.holder._namespace", lambda: "pid:[7]")
    patch.setattr("checkpoints.lock.LEASE_SECONDS", 0)


def test_stopped_in_mid_batch_and_taken_over_it_writes_nothing_more(
    new_lake: Callable[[], DropLake],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real processes: SIGSTOP, another stream takes the lock and the drops, SIGCONT.

    The first one ends with a sentence and exit code 2, and no table has a version more.
    """
    lake = new_lake()
    drops = make_drops(seed=33, count=4, rows=2000)
    staging = lake.settings.path("checkpoints", "staging")
    put(lake, drops)
    stream = Stream(tmp_path / "first.log", env={**environment, "FLO_ROOT": lake.settings.root})
    try:
        wait_for(lambda: list(lake.files.walk(staging)), "a batch in hand")
        os.killpg(stream.process.pid, signal.SIGSTOP)
        assert lake.ledger() == [], "it was stopped too late"
        with monkeypatch.context() as patched:
            from_elsewhere(patched)
            assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
        before = versions(lake)
        os.killpg(stream.process.pid, signal.SIGCONT)
        assert stream.end() == 2, stream.text()[-3000:]
    finally:
        stream.close()
    assert "taken over" in stream.text() or "this stream ends" in stream.text(), stream.text()
    assert versions(lake) == before
    assert StreamLock(lake.files, lake.settings).holder() is None
    assert_taken_in(lake, drops)


@pytest.mark.parametrize("step", ["after_snapshots", "after_merge"])
def test_an_attempt_that_yarn_has_cut_off_does_no_harm(
    step: str,
    lake: DropLake,
    new_lake: Callable[[], DropLake],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next attempt has the lock at once, though the first lives on: it can write no more.

    Both are of one application, in two epochs, with the same drops in hand.
    """
    drops = make_drops(seed=34, count=2)
    monkeypatch.setattr(StreamLock, "acquire", lambda lock, _: acquire(lock, APPLICATION))
    put(lake, drops)
    with running(lake) as first:
        with held_at(step, monkeypatch) as there:
            assert there.wait(60)
            lock = StreamLock(lake.files, lake.settings)
            lock.acquire(APPLICATION)
            with monkeypatch.context() as second:
                second.setattr("lake.failpoint.kill_at", lambda _: None)
                fence = Fence.raised(lake.spark, lake.settings, lock.confirm)
                spool = tmp_path / "batch"
                lake.take(processor=Processor(lake.spark, fence, lake.contract, spool))
            before = versions(lake)
            ask_to_stop(lake.files, lake.settings)  # meant for the second one
        first.join(60)
        assert isinstance(first.error, LockedError), first.error
    lock.confirm()
    assert lake.files.exists(stop_marker(lake.settings))
    assert versions(lake) == before
    assert_taken_in(lake, drops)


def test_what_a_batch_ends_with_is_left_by_who_has_lost_the_lock(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KPIs and upkeep carry no epoch, so a stream asks before them whose the lock is."""
    done: list[object] = []
    monkeypatch.setattr(StreamLock, "acquire", lambda lock, _: acquire(lock, APPLICATION))
    put(lake, make_drops(seed=35, count=1))
    with running(lake) as first:
        first.supervisor._after_batch = done.append
        with held_at("after_archive", monkeypatch) as there:
            assert there.wait(60)
            StreamLock(lake.files, lake.settings).acquire(APPLICATION)
        first.join(60)
    assert isinstance(first.error, LockedError), first.error
    assert done == []
