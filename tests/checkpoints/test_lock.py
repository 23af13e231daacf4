"""Who holds the lock, and when that is nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from checkpoints.lock import Holder, StreamLock
from lake.errors import LockedError, ServiceError
from lake.settings import Settings
from tests.checkpoints.local_files import LocalFiles
from tests.processes import wait_for


class LosesAnswers(LocalFiles):
    """A file system whose answer to the first write is lost on the way."""

    lost = False

    def write_text(self, path: str, text: str, *, overwrite: bool = True) -> bool:
        """Write a file whole, and say at first that it failed."""
        done = super().write_text(path, text, overwrite=overwrite)
        if not self.lost:
            self.lost = True
            raise ServiceError("The connection to HDFS broke.")
        return done


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Keep the lock in a local directory."""
    return Settings(root=str(tmp_path))


def hold(settings: Settings, holder: Holder) -> None:
    """Let the lock be held by somebody."""
    LocalFiles().write_text(f"{settings.checkpoints}/lock", json.dumps(asdict(holder)))


def test_a_process_that_has_ended_holds_nothing(settings: Settings) -> None:
    """Not even while its parent has not asked for its end: the next start takes the lock over."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = psutil.Process(child.pid)
    holder = replace(
        Holder.this_process("local-1"), pid=child.pid, created=process.create_time(), token="old"
    )
    hold(settings, holder)
    lock = StreamLock(LocalFiles(), settings)
    with pytest.raises(LockedError, match=rf"process {child.pid} \(local-1\)"):
        lock.acquire("local-2")
    child.kill()
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE, "its end", 10)
    assert lock.live_holder() is None
    lock.acquire("local-2")
    assert lock.holder() != holder
    child.communicate()


def test_a_try_whose_answer_was_lost_does_not_lock_its_own_stream_out(settings: Settings) -> None:
    """The NameNode died right after it had written the lock: tried again, the lock is ours."""
    lock = StreamLock(LosesAnswers(), settings)
    with pytest.raises(ServiceError):
        lock.acquire("local-1")
    lock.acquire("local-1")
    lock.release()
    assert lock.holder() is None
