"""Who holds the lock, and when that is nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from checkpoints.holder import Holder
from checkpoints.lock import LEASE_SECONDS, StreamLock
from lake.errors import LockedError, NotFoundError, ServiceError
from lake.settings import Settings
from tests.checkpoints.local_files import LocalFiles
from tests.processes import wait_for

HOUR = 3600.0
# As in another container of this host, on another host, and on this one before it was booted.
ELSEWHERE = ({"namespace": "pid:[7]"}, {"host": "far"}, {"boot": "earlier"})


class LosesAnswers(LocalFiles):
    """A file system whose answer to the first file put in place is lost on the way."""

    lost = False

    def put_in_place(self, source: str, target: str) -> bool:
        """Put it in place, and say at first that it failed."""
        done = super().put_in_place(source, target)
        if not self.lost:
            self.lost = True
            raise ServiceError("The connection to HDFS broke.")
        return done


class Slow(LocalFiles):
    """A file system that lets others in just before its first file is put in place."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = [meanwhile]

    def put_in_place(self, source: str, target: str) -> bool:
        """Be late."""
        if self._meanwhile:
            self._meanwhile.pop()()
        return super().put_in_place(source, target)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Keep the lock in a local directory."""
    (tmp_path / "checkpoints").mkdir()
    return Settings(root=str(tmp_path))


def here(settings: Settings, files: LocalFiles | None = None) -> StreamLock:
    """Open the lock."""
    return StreamLock(files or LocalFiles(), settings)


def hold(settings: Settings, text: str, *, age: float = 0.0) -> None:
    """Let the lock say something, since so many seconds."""
    path = Path(settings.checkpoints) / "lock-1"
    path.write_text(text)
    then = time.time() - age
    os.utime(path, (then, then))


def dead_holder() -> Holder:
    """Name a process of this machine that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return replace(Holder.this_process("local-0"), pid=ended.pid)


def test_a_process_that_has_ended_holds_nothing(settings: Settings) -> None:
    """Not even while its parent has not asked for its end: the next start takes the lock over."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    holder = replace(
        Holder.this_process("local-1"), pid=child.pid, created=process.create_time(), token="old"
    )
    hold(settings, holder.to_text())
    lock = here(settings)
    with pytest.raises(LockedError, match=rf"process {child.pid} \(local-1\)"):
        lock.acquire("local-2")
    child.kill()
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE, "its end", 10)
    assert lock.live_holder() is None
    lock.acquire("local-2")
    assert lock.holder() != holder
    child.communicate()


def test_a_try_whose_answer_was_lost_does_not_lock_its_own_stream_out(settings: Settings) -> None:
    """The NameNode died right after it had put the lock in place: tried again, it is ours."""
    lock = here(settings, LosesAnswers())
    with pytest.raises(ServiceError):
        lock.acquire("local-1")
    lock.acquire("local-1")
    lock.release()
    assert lock.holder() is None


@pytest.mark.parametrize("text", ["", '{"host": "fa'], ids=["empty", "torn"])
def test_a_lock_that_cannot_be_read_is_held_until_its_lease_is_over(
    text: str, settings: Settings
) -> None:
    """It may be of a stream that writes it just now; after the lease it is nobody's."""
    hold(settings, text)
    with pytest.raises(LockedError, match=f"not written whole.*{LEASE_SECONDS} s"):
        here(settings).acquire("local-1")
    hold(settings, text, age=LEASE_SECONDS + 1)
    here(settings).acquire("local-1")


@pytest.mark.parametrize("other", ELSEWHERE, ids=["container", "host", "boot"])
def test_where_process_ids_mean_nothing_the_lease_decides(
    other: dict[str, str], settings: Settings
) -> None:
    """A holder whose process cannot be seen is alive though no such process is here, for a minute.

    Two containers of one host may have its name and its boot in common.
    """
    holder = replace(dead_holder(), **other)
    hold(settings, holder.to_text())
    with pytest.raises(LockedError, match="Another stream"):
        here(settings).acquire("local-1")
    hold(settings, holder.to_text(), age=LEASE_SECONDS + 1)
    here(settings).acquire("local-1")


@pytest.mark.parametrize("ahead", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_this_machines_clock_decides_nothing(
    ahead: float, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that is an hour off steals no live lock and keeps no dead one alive."""
    elsewhere = replace(Holder.this_process("local-1"), host="far")
    clock = time.time
    hold(settings, elsewhere.to_text())
    monkeypatch.setattr(time, "time", lambda: clock() + ahead)
    with pytest.raises(LockedError):
        here(settings).acquire("local-2")
    monkeypatch.setattr(time, "time", clock)
    hold(settings, elsewhere.to_text(), age=LEASE_SECONDS + 1)
    monkeypatch.setattr(time, "time", lambda: clock() + ahead)
    lock = here(settings)
    lock.acquire("local-2")
    lock._refreshed -= LEASE_SECONDS
    lock.refresh()
    [file] = Path(settings.checkpoints).iterdir()
    assert abs(file.stat().st_mtime - clock()) < 10


def test_an_earlier_attempt_of_the_same_application_does_not_hold_it(settings: Settings) -> None:
    """YARN starts the next attempt when it has given the earlier one up, whatever that one does."""
    hold(settings, replace(Holder.this_process("application_7"), host="far").to_text())
    with pytest.raises(LockedError):
        here(settings).acquire("application_8")
    here(settings).acquire("application_7")


def test_who_comes_too_late_does_not_take_it_from_who_came_first(settings: Settings) -> None:
    """Held up between its look and its move, a start finds the lock taken, or given back since."""
    hold(settings, dead_holder().to_text())
    first = here(settings)
    with pytest.raises(LockedError, match="local-first"):
        here(settings, Slow(lambda: first.acquire("local-first"))).acquire("local-late")
    first.confirm()

    second = here(settings)

    def come_and_go() -> None:
        first.release()
        second.acquire("local-second")
        second.release()
        first.acquire("local-first")

    hold(settings, dead_holder().to_text())
    with pytest.raises(LockedError, match="local-first"):
        here(settings, Slow(come_and_go)).acquire("local-late")
    first.confirm()


def test_who_has_lost_it_finds_out_and_takes_nothing_with_it(settings: Settings) -> None:
    """Neither its refresh nor its giving back touches the lock of who took it over."""
    lost = here(settings)
    lost.acquire("application_7")
    other = here(settings)
    other.acquire("application_7")
    lost._refreshed -= LEASE_SECONDS
    for lose in (lost.confirm, lost.refresh):
        with pytest.raises(LockedError, match=r"held by .*this stream ends"):
            lose()
    lost.release()
    other.confirm()


def test_a_lock_that_is_lost_between_the_look_and_the_sign_of_life_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file has been cleared away by then: that is no trouble with the file system."""
    lost, other = here(settings), here(settings)
    lost.acquire("application_7")

    def touch(files: LocalFiles, path: str) -> None:
        other.acquire("application_7")
        raise NotFoundError(f"Cannot touch {path}.")

    monkeypatch.setattr(LocalFiles, "touch", touch)
    lost._refreshed -= LEASE_SECONDS
    with pytest.raises(LockedError, match=r"held by .*this stream ends"):
        lost.refresh()


def test_many_at_once_on_a_local_disk(settings: Settings) -> None:
    """A rename there would overwrite: of eight that start at once, time and again, one wins."""
    barrier = threading.Barrier(8)
    winners: list[StreamLock] = []

    def take(text: str | None) -> None:
        lock = here(settings)
        barrier.wait()
        try:
            lock.acquire("local-1")
        except LockedError:
            return
        winners.append(lock)

    for text in [None, dead_holder().to_text()] * 10:
        if text:
            hold(settings, text)
        threads = [threading.Thread(target=take, args=(text,)) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        [winner] = winners
        winner.confirm()
        winner.release()
        winners.clear()


def test_what_no_longer_counts_is_cleared_away(settings: Settings) -> None:
    """One file is left, whatever was; what a killed start left goes when it is old."""
    folder = Path(settings.checkpoints)
    for name in ("lock", "lock-3", "lock.keep", f"lock.{'0' * 32}", f"lock.{'1' * 32}", "stream"):
        (folder / name).write_text("free\n")
    os.utime(folder / f"lock.{'0' * 32}", (1, 1))
    lock = here(settings)
    lock.acquire("local-1")
    lock.release()
    assert {each.name for each in folder.iterdir()} == {
        "lock-5", "lock.keep", f"lock.{'1' * 32}", "stream",
    }  # fmt: skip
