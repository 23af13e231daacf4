"""What lies on this machine for a while is private, and goes with whoever made it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE

import pytest
from pyspark.sql import SparkSession

from lake.errors import ConfigError
from lake.scratch import scratch

_HOLD = """
import sys, time
from lake.scratch import lasting_scratch
print(lasting_scratch("spark", sys.argv[1]), flush=True)
time.sleep(600)
"""


@contextmanager
def hold(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Have a program of its own that has such a directory."""
    command = [sys.executable, "-c", _HOLD, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_killed_programs_directory_goes_and_a_living_ones_stays(tmp_path: Path) -> None:
    """The next program empties what SIGKILL left, and nothing that another one uses."""
    with hold(tmp_path) as (killed, left), hold(tmp_path) as (_, used):
        for folder in (left, used):
            (folder / "blockmgr").mkdir()
            (folder / "blockmgr" / "rows").write_text("c1")
            assert S_IMODE(folder.stat().st_mode) == 0o700
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        with scratch("spool", str(tmp_path)) as own, scratch("read", str(tmp_path)) as other:
            assert own.is_dir()
            assert other.is_dir()
            assert not left.exists()
            assert (used / "blockmgr" / "rows").is_file()
        assert not own.exists()
        assert S_IMODE(used.parent.stat().st_mode) == 0o700


def test_nothing_is_left_where_nobody_was_killed(tmp_path: Path) -> None:
    """Only the common directory stays, empty."""
    with scratch("spool", str(tmp_path)) as own:
        (own / "copy").write_text("c1")
    [common] = tmp_path.iterdir()
    assert list(common.iterdir()) == []


def test_many_come_and_go_at_once(tmp_path: Path) -> None:
    """Nobody finds the common directory gone between two steps, however many begin and end."""

    def come_and_go(_: int) -> None:
        for _ in range(200):
            with scratch("read", str(tmp_path)) as own:
                (own / "text").touch()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))


def test_another_users_directory_is_not_used(tmp_path: Path) -> None:
    """A link, or what belongs to another, under that name is refused with a sentence."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"flo-{os.geteuid()}").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="TMPDIR"), scratch("spool", str(tmp_path)):
        pass
    assert list(elsewhere.iterdir()) == []


def test_one_that_all_may_enter_is_closed(tmp_path: Path) -> None:
    """Its own directory is made private again."""
    root = tmp_path / f"flo-{os.geteuid()}"
    root.mkdir()
    root.chmod(0o755)
    with scratch("spool", str(tmp_path)):
        assert S_IMODE(root.stat().st_mode) == 0o700


@pytest.mark.integration
def test_spark_keeps_its_blocks_in_private(spark: SparkSession) -> None:
    """Blocks and shuffles lie below the private directory."""
    place = Path(spark.conf.get("spark.local.dir") or "")
    blocks = spark._jsc.sc().env().blockManager().diskBlockManager().localDirs()  # type: ignore[attr-defined]
    assert [Path(str(each.getPath())).parent for each in blocks] == [place]
    assert S_IMODE(place.stat().st_mode) == 0o700
    assert S_IMODE(place.parent.stat().st_mode) == 0o700
