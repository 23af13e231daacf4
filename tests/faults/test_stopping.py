"""Asked to end, the stream finishes the batch in hand; asked twice, it ends at once, and safely."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from checkpoints.in_hand import look_in_hand
from checkpoints.lock import StreamLock
from lake.errors import LockedError, ServiceError
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import SNAPSHOTS
from streaming.stopping import StopRequest, ask_to_stop, stop_marker
from streaming.supervisor import Supervisor
from tests.expected import assert_taken_in
from tests.faults.drops import make_drops
from tests.faults.running import IDLE_SECONDS, held_at, running
from tests.faults.world import put
from tests.lakes import DropLake, csv, row
from tests.processes import Stream, wait_for

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("way", ["signal", "marker"])
def test_a_batch_in_hand_is_finished_and_none_is_begun(
    way: str, lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM and `flo stop` in mid-batch: that batch is whole, the next file waits in landing."""
    lake.put("first.csv", csv(row("c1")))
    with running(lake) as stream:
        with held_at("after_snapshots", monkeypatch) as there:
            assert there.wait(60)
            lake.put("second.csv", csv(row("c2")))
            if way == "signal":
                stream.stop()
            else:
                ask_to_stop(lake.files, lake.settings)
            wait_for(lambda: bool(stream.supervisor.stop), "the request to be seen", 10)
        assert stream.end() == 0
    assert [each["path"].rsplit("/", 1)[-1] for each in lake.ledger()] == ["first.csv"]
    assert [info.name for info in lake.files.list(lake.settings.landing)] == ["second.csv"]
    assert not lake.files.exists(stop_marker(lake.settings))
    assert StreamLock(lake.files, lake.settings).holder() is None
    assert look_in_hand(lake.files, lake.settings) is None


def test_a_marker_is_there_whole_or_not_at_all(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without work takes the marker away as soon as it is there: no error for who asks."""
    stop = StopRequest(lake.files, lake.settings)
    write = FileSystem.write_text

    def write_watched(files: FileSystem, path: str, text: str) -> bool:
        fs = files._fs(path)
        stream = fs.create(files._path(path), True)
        if stop.poll():
            stop.clear_marker()
        stream.close()
        return write(files, path, text)

    monkeypatch.setattr(FileSystem, "write_text", write_watched)
    ask_to_stop(lake.files, lake.settings)
    ask_to_stop(lake.files, lake.settings)
    assert stop.poll()
    stop.clear_marker()
    assert not [info for info in lake.files.list(lake.settings.checkpoints) if "stop" in info.name]


def test_trouble_beside_a_batch_does_not_start_a_second_one_beside_it(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch fails while a batch is in hand: that batch comes to its end before the next try.

    A start takes back what a batch without an account has written, so it must be no live one.
    """
    lake.put("first.csv", csv(row("c1"), row("c2")))
    failed = threading.Event()
    poll = StopRequest.poll

    def fail_once(request: StopRequest) -> bool:
        if there.is_set() and not failed.is_set():
            failed.set()
            raise ServiceError("HDFS does not answer.")
        return poll(request)

    monkeypatch.setattr(StopRequest, "poll", fail_once)
    with structlog.testing.capture_logs() as logs, running(lake) as stream:
        with held_at("after_snapshots", monkeypatch) as there:
            assert failed.wait(60)
            # Longer than the first pause: a start anew would have come by now.
            time.sleep(2)
            assert not [each for each in logs if each["event"] == "retrying"]
        wait_for(lambda: any(each["event"] == "retrying" for each in logs), "another try", 60)
        wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing", 60)
        stream.stop()
        assert stream.end() == 0
    assert lake.count(SNAPSHOTS) == 2
    assert [each["rows_inserted"] for each in lake.ledger()] == [2]


def test_asked_to_end_in_trouble_it_ends_without_waiting_for_better_times(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two tries nothing is in hand, so the request is met at once: exit code 0."""

    def fail(name: str) -> None:
        raise ServiceError("HDFS does not answer.")

    lake.put("first.csv", csv(row("c1")))
    with structlog.testing.capture_logs() as logs:
        monkeypatch.setattr("lake.failpoint.kill_at", fail)
        with running(lake, retry_seconds=300) as stream:
            wait_for(lambda: sum(e["event"] == "retrying" for e in logs) >= 3, "a long pause", 60)
            asked = time.monotonic()
            stream.stop()
            assert stream.end() == 0
            assert time.monotonic() - asked < IDLE_SECONDS
    pauses = [each["seconds"] for each in logs if each["event"] == "retrying"]
    assert pauses[:3] == [1, 2, 4]


def test_one_stream_for_a_lake_however_its_root_is_written(lake: DropLake) -> None:
    """A second stream on the same lake is refused, and the message says who holds it."""
    conf = lake.spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    other = Settings(fs=conf.get("fs.defaultFS"), root=f"{lake.settings.root}/")
    with running(lake) as stream:
        wait_for(StreamLock(lake.files, lake.settings).holder, "the lock", 30)
        with pytest.raises(LockedError, match=r"Another stream .* on .*, process \d+ \(local-"):
            Supervisor(lake.spark, other, lake.contract).run()
        stream.stop()
        assert stream.end() == 0


def test_a_second_sigterm_ends_the_program_at_once_and_safely(
    new_lake: Callable[[], DropLake], environment: dict[str, str], tmp_path: Path
) -> None:
    """The batch in hand is broken off; the next start makes it whole."""
    lake = new_lake()
    drops = make_drops(seed=21, count=4, rows=2000)
    env = {**environment, "FLO_ROOT": lake.settings.root}
    staging = lake.settings.path("checkpoints", "staging")
    put(lake, drops)
    stream = Stream(tmp_path / "twice.log", env=env)
    try:
        wait_for(lambda: bool(list(lake.files.walk(staging))), "a batch in hand")
        stream.process.send_signal(signal.SIGTERM)
        stream.wait_for("event=stopping")
        time.sleep(0.6)  # two signals within half a second are one request
        asked = time.monotonic()
        stream.process.send_signal(signal.SIGTERM)
        assert stream.end() == -signal.SIGKILL
        assert time.monotonic() - asked < 2
    finally:
        stream.close()
    lock = StreamLock(lake.files, lake.settings)
    wait_for(lambda: lock.live_holder() is None, "the end of its Python half", 10)
    assert lake.ledger() == [], "the batch was over before the second signal"
    assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    assert_taken_in(lake, drops)
