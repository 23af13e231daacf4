"""What a killed verification has left is removed, and nothing that another one still uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from batch.verification.workplace import ABANDONED_AFTER, workplace
from checkpoints.holder import Holder
from lake.errors import ConfigError
from lake.settings import Settings
from tests.checkpoints.local_files import LocalFiles

LONG_AGO = time.time() - ABANDONED_AFTER.total_seconds() - 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Have a lake in a local directory."""
    return Settings(root=str(tmp_path))


def leave(settings: Settings, name: str, owner: Holder | None, *, old: bool = False) -> Path:
    """Make a place as a verification does, with rows in it."""
    place = Path(settings.checkpoints) / name
    (place / "snapshots").mkdir(parents=True)
    (place / "snapshots" / "part-0.parquet").touch()
    if owner is not None:
        (place / "owner").write_text(json.dumps(asdict(owner)), "utf-8")
    if old:
        os.utime(place, (LONG_AGO, LONG_AGO))
    return place


def use_one(settings: Settings) -> None:
    """Verify nothing."""
    with workplace(LocalFiles(), settings, "local-2"):
        pass


def fail_in_one(settings: Settings) -> None:
    """Let a verification end in an error, and another one begin and end before."""
    with workplace(LocalFiles(), settings, "local-1") as place:
        use_one(settings)
        assert [each.name for each in Path(place).iterdir()] == ["owner"]
        raise ConfigError("no contract")


def test_a_place_is_there_while_it_is_used_and_no_longer(settings: Settings) -> None:
    """Another verification leaves it alone; an error does not leave it behind."""
    with pytest.raises(ConfigError):
        fail_in_one(settings)
    assert list(Path(settings.checkpoints).iterdir()) == []


def test_what_a_process_that_has_ended_left_is_removed(settings: Settings) -> None:
    """At once, by the process: its name and its time say which it was."""
    here = Holder.this_process("local-1")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    leave(settings, "verify-gone", replace(here, pid=ended.pid))
    leave(settings, "verify-other", replace(here, created=here.created - 1000))
    mine = leave(settings, "verify-mine", here, old=True)
    use_one(settings)
    assert list(Path(settings.checkpoints).iterdir()) == [mine]


@pytest.mark.parametrize("owner", ["elsewhere", "unsaid"])
def test_what_only_time_can_tell_is_left_for_a_day(owner: str, settings: Settings) -> None:
    """Of a verification on another machine, or one that has not said yet whose its place is."""
    elsewhere = replace(Holder.this_process("local-1"), host="elsewhere.example", boot="x")
    holder = elsewhere if owner == "elsewhere" else None
    young = leave(settings, "verify-young", holder)
    leave(settings, "verify-old", holder, old=True)
    use_one(settings)
    assert list(Path(settings.checkpoints).iterdir()) == [young]


def test_what_is_of_others_below_checkpoints_stays(settings: Settings) -> None:
    """The stream's checkpoint and what it stages are no verification's."""
    names = ["lock", "staging", "stream"]
    for name in names:
        leave(settings, name, None, old=True)
    use_one(settings)
    assert sorted(each.name for each in Path(settings.checkpoints).iterdir()) == names
