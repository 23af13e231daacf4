"""A drop that is larger than the disk where it is decoded is refused, and stops no other."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from streaming.decode import room
from streaming.supervisor import Supervisor
from tests.faults.test_lasting_trouble import small_disk
from tests.lakes import DropLake, csv, row

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["bomb.csv.gz", "plain.csv"])
def test_a_drop_larger_than_the_disk_is_refused_with_its_size(
    name: str, lake: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is large as it lies there or only once unpacked: the next one goes through.

    Half a megabyte stands for a disk on which there is room.
    """
    monkeypatch.setattr(room, "_LEAST", 100_000)
    rows = (row(f"c{number}", channel=f"{number}" * 40) for number in range(8_000))
    text = csv(*rows).encode()
    stored = gzip.compress(text) if name.endswith(".gz") else text
    lake.put(name, stored, modified_ms=1_640_000_000_000)
    lake.put("good.csv", csv(row("a")))
    once = lake.settings.model_copy(update={"retry_seconds": 0})
    with small_disk(tmp_path):
        assert Supervisor(lake.spark, once, lake.contract, once=True).run() == 0
    refused, good = sorted(lake.ledger(), key=lambda each: each["state"], reverse=True)
    assert (refused["state"], good["state"]) == ("rejected", "ingested")
    assert refused["reason"].startswith(
        f"too_large: The file has {len(stored):,} bytes as it is stored and at least "
    )
    assert refused["archived_path"]
