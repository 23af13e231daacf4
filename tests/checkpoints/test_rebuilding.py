"""A checkpoint that cannot be used is set aside, and the stream goes on with a fresh one."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from checkpoints.lock import Holder
from checkpoints.rebuilding import FORMAT, open_checkpoint, rebuild_checkpoint
from checkpoints.spark_checkpoint import SparkCheckpoint
from checkpoints.standing import describe_checkpoint
from lake.errors import LockedError, NotFoundError, TerminalError
from lake.settings import Settings
from tests.checkpoints.local_files import LocalFiles, make_checkpoint

FILES = LocalFiles()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Keep the checkpoint in a local directory."""
    (tmp_path / "checkpoints").mkdir()
    return Settings(root=str(tmp_path))


def stream_in(settings: Settings) -> Path:
    """Directory of the checkpoint."""
    return Path(settings.checkpoints) / "stream"


def make_ours(settings: Settings, batches: int, *, done: int | None = None) -> None:
    """Make a checkpoint as this version of the program does."""
    open_checkpoint(FILES, settings)
    make_checkpoint(stream_in(settings), batches, done=done)


def asides(settings: Settings) -> list[str]:
    """Kinds of the checkpoints that were set aside."""
    names = (path.name for path in Path(settings.checkpoints).iterdir() if path.is_dir())
    return sorted(name.split(".")[1].split("-")[0] for name in names if "." in name)


def told(settings: Settings) -> dict[str, object]:
    """What `flo checkpoint show` says."""
    return dict(describe_checkpoint(FILES, settings))


def test_a_sound_checkpoint_is_used_again(settings: Settings) -> None:
    """Opened twice, nothing is set aside, and the batches are those of before."""
    make_ours(settings, 3)
    assert open_checkpoint(FILES, settings).checkpoint.committed() == [0, 1, 2]
    assert asides(settings) == []


def test_a_damaged_checkpoint_is_set_aside_whole(settings: Settings) -> None:
    """Damage starts a fresh checkpoint; the old one is kept, and one warning says why."""
    make_ours(settings, 3)
    (stream_in(settings) / "offsets/2").write_text("")
    with capture_logs() as logs:
        fresh = open_checkpoint(FILES, settings)
    assert (fresh.checkpoint.planned(), asides(settings)) == ([], ["damaged"])
    [warning] = [each for each in logs if each["log_level"] == "warning"]
    assert warning["why"] == "offsets/2 is empty"
    assert SparkCheckpoint(FILES, warning["to"]).committed() == [0, 1, 2]
    assert open_checkpoint(FILES, settings).checkpoint.planned() == []
    assert asides(settings) == ["damaged"]


@pytest.mark.parametrize("marker", [None, "", '{"format": 0}'])
def test_an_older_versions_checkpoint_is_set_aside(settings: Settings, marker: str | None) -> None:
    """A checkpoint without a marker, or with an older or torn one, is not used."""
    make_checkpoint(stream_in(settings), 3)
    if marker is not None:
        (stream_in(settings) / "flo.json").write_text(marker)
    assert open_checkpoint(FILES, settings).checkpoint.planned() == []
    assert asides(settings) == ["older"]


def test_a_newer_versions_checkpoint_stops_the_stream(settings: Settings) -> None:
    """What a newer version wrote is left alone, and the message says what to do."""
    make_ours(settings, 3)
    marker = stream_in(settings) / "flo.json"
    marker.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(TerminalError, match="flo checkpoint rebuild"):
        open_checkpoint(FILES, settings)
    assert asides(settings) == []
    assert "newer version" in str(told(settings)["condition"])


def test_an_empty_directory_is_no_older_checkpoint(settings: Settings) -> None:
    """Whoever empties the directory, or deletes it, gets a fresh checkpoint."""
    stream_in(settings).mkdir()
    open_checkpoint(FILES, settings)
    assert asides(settings) == []


def test_a_long_list_of_files_is_exchanged_between_two_batches(settings: Settings) -> None:
    """Above the limit a fresh checkpoint begins, but never while a batch is in hand."""
    make_ours(settings, 12, done=11)
    assert len(open_checkpoint(FILES, settings, longest=11).committed) == 11
    make_checkpoint(stream_in(settings), 12)
    assert len(open_checkpoint(FILES, settings, longest=12).committed) == 12
    assert asides(settings) == []
    exchanged = open_checkpoint(FILES, settings, longest=11)
    assert (exchanged.checkpoint.planned(), exchanged.committed) == ([], [])
    assert asides(settings) == ["full"]


def test_rebuilding_keeps_the_former_checkpoint(settings: Settings) -> None:
    """A rebuilt checkpoint, sound or newer, is only renamed, and the next start begins afresh."""
    assert rebuild_checkpoint(FILES, settings) is None
    make_ours(settings, 3)
    (stream_in(settings) / "flo.json").write_text('{"format": 99}')
    aside = rebuild_checkpoint(FILES, settings)
    assert aside is not None
    assert SparkCheckpoint(FILES, aside).committed() == [0, 1, 2]
    assert str(told(settings)["condition"]).startswith("none")
    assert open_checkpoint(FILES, settings).checkpoint.planned() == []


def test_rebuilding_is_refused_while_a_stream_runs(settings: Settings) -> None:
    """The checkpoint of a running stream stays where it is; the message names the holder."""
    make_ours(settings, 1)
    mine = asdict(Holder.this_process("app-1"))
    FILES.write_text(f"{settings.checkpoints}/lock", json.dumps(mine))
    with pytest.raises(LockedError, match=rf"{socket.gethostname()}, process {os.getpid()}"):
        rebuild_checkpoint(FILES, settings)
    assert asides(settings) == []
    assert str(told(settings)["stream"]).startswith("running: ")


def test_rebuilding_before_init_is_told(tmp_path: Path) -> None:
    """Where there is no lake, no lock is left behind either."""
    with pytest.raises(NotFoundError, match="flo init"):
        rebuild_checkpoint(FILES, Settings(root=str(tmp_path / "none")))
    assert list(tmp_path.iterdir()) == []


def test_where_the_stream_stands_in_plain_words(settings: Settings) -> None:
    """Batches, the files in hand, files seen and what was set aside are told by name."""
    make_checkpoint(stream_in(settings), 1)
    make_ours(settings, 13, done=12)
    found = told(settings)
    assert (found["newest batch planned"], found["newest batch committed"]) == (12, 11)
    assert (found["batch in hand"], found["file in hand"]) == (12, "12 a.csv")
    assert (found["files seen"], found["condition"]) == (13, "sound")
    assert found["stream"] == "not running"
    assert "bytes)" in str(found["set aside"])


def test_a_damaged_checkpoint_can_be_looked_at(settings: Settings) -> None:
    """Looking is no error: what cannot be read is NULL, and the condition says why."""
    make_ours(settings, 13, done=12)
    (stream_in(settings) / "sources/0/12").write_text("")
    found = told(settings)
    assert (found["newest batch planned"], found["files seen"]) == (12, None)
    assert str(found["condition"]).startswith("damaged: sources/0/12 is empty;")
