"""What is read of a Spark checkpoint, and what is told of a damaged one."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpoints.spark_checkpoint import DamagedCheckpointError, SparkCheckpoint
from lake.causes import transient
from tests.checkpoints.local_files import LocalFiles, make_checkpoint, tear


def open_at(folder: Path) -> SparkCheckpoint:
    """Open the checkpoint in a folder."""
    return SparkCheckpoint(LocalFiles(), str(folder))


def damage_of(folder: Path) -> str | None:
    """What the check says."""
    try:
        open_at(folder).check()
    except DamagedCheckpointError as damage:
        return damage.why
    return None


def test_batches_and_files_are_read_across_compact_logs(tmp_path: Path) -> None:
    """Files are those of the newest compact log and of all logs after it, with plain paths."""
    make_checkpoint(tmp_path, 23, done=22)
    checkpoint = open_at(tmp_path)
    assert (checkpoint.planned()[-1], checkpoint.committed()[-1]) == (22, 21)
    assert checkpoint.batch_in_hand() == 22
    assert [file.offset for file in checkpoint.seen()] == list(range(23))
    assert [file.path for file in checkpoint.files_of(22)] == ["/flo/landing/22 a.csv"]
    assert [file.offset for file in checkpoint.files_of(19)] == [19]
    assert checkpoint.bytes() > 0


def test_no_checkpoint_is_neither_damaged_nor_anything_else(tmp_path: Path) -> None:
    """Where there is nothing, nothing was planned."""
    checkpoint = open_at(tmp_path / "none")
    checkpoint.check()
    assert (checkpoint.planned(), checkpoint.seen(), checkpoint.batch_in_hand()) == ([], [], None)


@pytest.mark.parametrize("batches", [1, 2, 9, 10, 11, 23])
@pytest.mark.parametrize("in_hand", [0, 1])
def test_a_checkpoint_that_a_kill_left_is_sound(tmp_path: Path, batches: int, in_hand: int) -> None:
    """Killed between any two writes, in the order in which Spark writes, nothing is damaged."""
    make_checkpoint(tmp_path, batches, done=batches - in_hand)
    (tmp_path / f"offsets/.{batches}.0b1c.tmp").write_text("")
    assert damage_of(tmp_path) is None
    (tmp_path / f"sources/0/{batches}").write_text(
        'v1\n{"path":"hdfs://h:1/flo/landing/x.csv","timestamp":1,"batchId":1}'
    )
    assert damage_of(tmp_path) is None


def test_old_files_that_are_gone_are_no_damage(tmp_path: Path) -> None:
    """Spark clears old batches and logs away, and never reads them again."""
    make_checkpoint(tmp_path, 23)
    for name in ("offsets/5", "commits/5", "sources/0/5", "sources/0/9.compact"):
        (tmp_path / name).unlink()
    (tmp_path / "commits/20").write_text("")
    assert damage_of(tmp_path) is None


@pytest.mark.parametrize("name", ["offsets/12", "offsets/11", "commits/12", "sources/0/9.compact",
                                  "sources/0/10", "sources/0/12", "metadata"])  # fmt: skip
@pytest.mark.parametrize("harm", ["empty", "torn"])
def test_what_spark_reads_and_cannot_is_named(tmp_path: Path, name: str, harm: str) -> None:
    """An empty or torn file that the next start would read is damage, and the message says which.

    It is worth another try, as that sets the checkpoint aside.
    """
    make_checkpoint(tmp_path, 13)
    assert damage_of(tmp_path) is None
    if harm == "empty":
        (tmp_path / name).write_text("")
    else:
        tear(tmp_path / name)
    assert str(damage_of(tmp_path)).startswith(f"{name} is ")
    with pytest.raises(DamagedCheckpointError, match="flo checkpoint rebuild") as raised:
        open_at(tmp_path).check()
    assert transient(raised.value)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("metadata", "metadata is missing"),
        ("offsets/12", "offsets/12 is missing, though commits/12 is there"),
        ("offsets/11", "offsets/11 is missing"),
        ("sources/0/12", "sources/0/12 is missing"),
        ("sources/0/10", "sources/0/10 is missing"),
        ("sources/0/9.compact", "sources/0/9 is missing"),
    ],
)
def test_what_spark_misses_is_named(tmp_path: Path, gone: str, told: str) -> None:
    """A missing file that the next start needs is damage."""
    make_checkpoint(tmp_path, 13)
    (tmp_path / gone).unlink()
    assert damage_of(tmp_path) == told


def test_a_batch_that_spark_would_skip_is_damage(tmp_path: Path) -> None:
    """Of several batches without a commit Spark replays the newest alone, and loses the others."""
    make_checkpoint(tmp_path, 13, done=11)
    assert damage_of(tmp_path) == "commits/11 is missing, though batch 12 is begun"


def test_another_version_of_spark_is_told(tmp_path: Path) -> None:
    """Offsets in a format that is not known are not guessed at."""
    make_checkpoint(tmp_path, 1)
    offsets = tmp_path / "offsets/0"
    offsets.write_text(offsets.read_text().replace("v1", "v2", 1))
    assert damage_of(tmp_path) == "offsets/0 does not begin with the version v1"
