"""Trouble that lasts ends the stream with a sentence and an exit code; nothing is lost by it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from flo.failures import Failure, explain
from lake.errors import ServiceError
from lake.tables import FEATURES, LEDGER, table_path
from streaming.supervisor import Supervisor
from tests.expected import assert_taken_in
from tests.faults.drops import make_drops
from tests.faults.world import World, put
from tests.lakes import DropLake, csv, row

pytestmark = pytest.mark.integration

Harm = Callable[[World, DropLake], AbstractContextManager[None]]
# A file takes a whole block of the quota while it is written: a megabyte is none at all.
TROUBLES: tuple[tuple[str, Harm, str, int], ...] = (
    (
        "space quota on the tables",
        lambda world, lake: world.quota(lake.settings.tables, space=2**20),
        r"gave up after 2 s .*DSQuotaExceededException at /lakes/\d+/tables\. Raise the space",
        3,
    ),
    (
        "name quota on the tables",
        lambda world, lake: world.quota(lake.settings.tables, names=1),
        r"gave up after 2 s .*NSQuotaExceededException at /lakes/\d+/tables\. Raise the name",
        3,
    ),
    (
        "name quota on the checkpoints",
        lambda world, lake: world.quota(lake.settings.checkpoints, names=1),
        r"gave up after 2 s .*NSQuotaExceededException at /lakes/\d+/checkpoints\. Raise",
        3,
    ),
    (
        "space quota on the checkpoints",
        lambda world, lake: world.quota(lake.settings.checkpoints, space=2**20),
        r"gave up after 2 s .*DSQuotaExceededException at /lakes/\d+/checkpoints\. Raise",
        3,
    ),
    (
        "name quota on the archive",
        lambda world, lake: world.quota(lake.settings.archive, names=1),
        r"gave up after 2 s .*NSQuotaExceededException at /lakes/\d+/archive\. Raise",
        3,
    ),
    (
        "no permission to write features",
        lambda world, lake: world.mode(table_path(lake.settings, FEATURES), 0o500),
        r"AccessControlException at /lakes/\d+/tables/customer_features \(user \w+, WRITE\)",
        2,
    ),
    (
        "no permission to write the ledger",
        lambda world, lake: world.mode(f"{table_path(lake.settings, LEDGER)}/_delta_log", 0o500),
        r"AccessControlException at /lakes/\d+/tables/drops/_delta_log \(user \w+, WRITE\)",
        2,
    ),
    (
        "no permission to read the tables",
        lambda world, lake: world.mode(lake.settings.tables, 0),
        r"AccessControlException at /lakes/\d+/tables \(user \w+, EXECUTE\)",
        2,
    ),
    (
        "no permission for the archive",
        lambda world, lake: world.mode(lake.settings.archive, 0),
        r"AccessControlException at /lakes/\d+/archive \(user \w+, EXECUTE\)",
        2,
    ),
)
DROPS = make_drops(seed=11, count=len(TROUBLES))


def run_once(lake: DropLake) -> int:
    """Run a stream on what is in landing."""
    return Supervisor(lake.spark, lake.settings, lake.contract, once=True).run()


def fail_once(lake: DropLake) -> Failure:
    """Run a stream that cannot end well, and return what the operator is told."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - what kind it is, is looked at
        run_once(lake)
    return explain(raised.value)


def test_whatever_lasts_is_told_and_what_it_broke_off_is_made_good(world: World) -> None:
    """Each trouble names its path and ends with its exit code; a start after it goes on.

    One trouble follows the other on the same lake, each with a drop more in landing.
    """
    lake = world.lake(retry_seconds=2)
    told = {}
    for (name, harm, _, _), drop in zip(TROUBLES, DROPS, strict=True):
        put(lake, [drop])
        with harm(world, lake):
            told[name] = fail_once(lake)
    for name, _, sentence, code in TROUBLES:
        assert re.search(sentence, told[name].message), (name, told[name])
        assert told[name].exit_code == code, name
    assert run_once(lake) == 0
    assert_taken_in(lake, DROPS)


@contextmanager
def small_disk(tmp_path: Path) -> Iterator[None]:
    """Let temporary files go to a disk of half a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(disk))
            yield
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def a_long_id(number: int) -> str:
    """Make an id that hardly compresses."""
    return hashlib.sha512(str(number).encode()).hexdigest()


@pytest.mark.parametrize("rows", [4_000, 2_200], ids=["by the copy", "by what is decoded"])
def test_a_full_disk_refuses_no_drop(rows: int, lake: DropLake, tmp_path: Path) -> None:
    """A drop that finds no room is no bad drop: it waits in landing until there is room."""
    lake.put("large.csv", csv(*(row(a_long_id(number)) for number in range(rows))))
    full = lake.settings.model_copy(update={"retry_seconds": 0})
    with small_disk(tmp_path), pytest.raises(ServiceError) as raised:
        Supervisor(lake.spark, full, lake.contract, once=True).run()
    told = explain(raised.value)
    assert told.exit_code == 3
    assert "gave up" in told.message
    assert "no space left on a disk of this machine" in told.message
    assert lake.ledger() == []
    assert run_once(lake) == 0
    assert [(each["state"], each["rows_accepted"]) for each in lake.ledger()] == [
        ("ingested", rows)
    ]
