"""A real stream on a damaged or lost checkpoint heals by itself, without a row lost or doubled."""

from __future__ import annotations

from collections.abc import Callable

from checkpoints.rebuilding import find_set_aside
from checkpoints.spark_checkpoint import checkpoint_path
from lake.tables import SNAPSHOTS
from streaming.supervisor import Supervisor
from tests.lakes import DropLake, csv, row


def empty(lake: DropLake, name: str) -> None:
    """Leave a file of the checkpoint with nothing in it."""
    lake.files.write_text(f"{checkpoint_path(lake.settings)}/{name}", "")


def tear(lake: DropLake, name: str) -> None:
    """Cut the end off a file of the checkpoint."""
    path = f"{checkpoint_path(lake.settings)}/{name}"
    text = lake.files.read_text(path)
    assert text
    lake.files.write_text(path, text[:-3])


def forget(lake: DropLake) -> None:
    """Delete the checkpoint, with a file in landing that a crash kept from the archive."""
    lake.files.delete(checkpoint_path(lake.settings))
    done = lake.ledger()[0]
    lake.files.rename(done["archived_path"], done["path"])


# What happens to the checkpoint before each start, and whether that one sets it aside.
HARMS: tuple[tuple[Callable[[DropLake], None], bool], ...] = (
    (lambda _: None, False),
    (lambda lake: empty(lake, "offsets/0"), True),
    (lambda lake: tear(lake, "commits/0"), True),
    (lambda lake: tear(lake, "sources/0/0"), True),
    (lambda lake: empty(lake, "metadata"), True),
    (forget, False),
    (lambda _: None, False),
)


def test_a_stream_goes_on_whatever_becomes_of_its_checkpoint(lake: DropLake) -> None:
    """After each damage the next start drains landing; no drop and no row comes twice."""
    aside = 0
    for number, (harm, sets_aside) in enumerate(HARMS):
        harm(lake)
        lake.put(
            f"{number}.csv", csv(row(f"c{number}"), row("always", last=f"2021-02-0{number + 1}"))
        )
        assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
        aside += sets_aside
        assert len(find_set_aside(lake.files, lake.settings)) == aside, number
        assert lake.files.list(lake.settings.landing) == [], number
    accounts = [(each["path"].rsplit("/", 1)[-1], each["state"]) for each in lake.ledger()]
    assert accounts == [(f"{number}.csv", "ingested") for number in range(len(HARMS))]
    assert lake.count(SNAPSHOTS) == 2 * len(HARMS)
    assert [each for (each,) in lake.features("master_id")] == sorted(
        ["always", *(f"c{number}" for number in range(len(HARMS)))]
    )
