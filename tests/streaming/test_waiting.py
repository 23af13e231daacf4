"""A file that cannot be read or moved is tried again by itself, with growing pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from checkpoints.troubles import Trouble
from lake.errors import AccessError
from lake.fs import FileInfo
from streaming.waiting import LONGEST_PAUSE, Waits
from tests.clock import Clock

FILE = FileInfo("/l/a.csv", 10, 1_640_000_000_000, False, "ada", 0o600, 7)
OTHER = replace(FILE, path="/l/b.csv", file_id=8)
DENIED = AccessError("Cannot read /l/a.csv: ask.")
TOLD = Trouble("/l/a.csv", str(DENIED))


@pytest.fixture
def clock() -> Clock:
    """Have a clock."""
    return Clock()


@pytest.fixture
def told() -> list[Sequence[Trouble]]:
    """Have what is written."""
    return []


@pytest.fixture
def waits(clock: Clock, told: list[Sequence[Trouble]]) -> Waits:
    """Have no file waiting, and none told of by an earlier stream."""
    return Waits(told.append, [], clock=clock)


def test_the_pauses_double_up_to_five_minutes(waits: Waits, clock: Clock) -> None:
    """Each after a try of that file; no other file waits for it."""
    pauses = []
    for _ in range(11):
        waits.note(FILE, DENIED)
        began = clock.now
        while not waits.is_due(FILE):
            assert waits.is_due(OTHER)
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize("change", [{"mode": 0o644}, {"owner": "flo"}, {"size": 11}])
def test_a_file_that_was_changed_is_tried_at_once(waits: Waits, change: dict[str, object]) -> None:
    """Somebody has given the permission, or has put another file there."""
    waits.note(FILE, DENIED)
    assert not waits.is_due(FILE)
    assert waits.is_due(replace(FILE, **change))  # type: ignore[arg-type]


def test_what_is_the_matter_is_told_as_long_as_it_is(
    waits: Waits, told: list[Sequence[Trouble]]
) -> None:
    """Written when it changes: with the trouble, and without it once the file could be read."""
    waits.save()
    waits.note(FILE, DENIED)
    waits.save()
    waits.note(FILE, DENIED)
    waits.save()
    assert told == [[TOLD]]
    waits.settle(FILE)
    waits.save()
    assert told == [[TOLD], []]


def test_a_file_that_has_gone_is_forgotten(waits: Waits, told: list[Sequence[Trouble]]) -> None:
    """It is no trouble any more; one that is still in landing is."""
    waits.note(FILE, DENIED)
    waits.note(OTHER, DENIED)
    waits.keep([FILE])
    waits.save()
    assert told == [[TOLD]]


def test_what_an_earlier_stream_has_told_is_told_anew(told: list[Sequence[Trouble]]) -> None:
    """Where nothing is the matter any more, its list goes."""
    Waits(told.append, [TOLD]).save()
    assert told == [[]]
