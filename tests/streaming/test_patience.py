"""How long trouble is borne."""

from __future__ import annotations

from itertools import pairwise

from streaming.patience import LONGEST_PAUSE, Patience
from tests.clock import Clock


def test_pauses_grow_and_their_sum_is_the_time_that_was_given() -> None:
    """Each pause is twice the one before, up to half a minute; the last one ends on time."""
    clock, pauses = Clock(100.0), []
    patience = Patience(300, clock=clock)
    while (pause := patience.pause()) is not None:
        pauses.append(pause)
        clock.now += pause
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == LONGEST_PAUSE
    assert all(later >= earlier for earlier, later in pairwise(pauses[:-1]))
    assert sum(pauses) == 300


def test_slow_failures_are_as_lasting_as_quick_ones() -> None:
    """Time alone is no sign that the trouble is over: tries of an hour are given up, too."""
    clock = Clock(100.0)
    patience = Patience(300, clock=clock)
    assert patience.pause() == 1
    clock.now += 3600
    assert patience.pause() is None


def test_once_the_work_has_got_on_trouble_is_new() -> None:
    """A stream of weeks meets trouble more than once, and bears each as long."""
    clock = Clock(100.0)
    patience = Patience(5, clock=clock)
    assert [patience.pause(), patience.pause()] == [1, 2]
    patience.got_on()
    clock.now += 3600
    assert patience.pause() == 1


def test_without_patience_the_first_failure_is_the_last() -> None:
    """`retry_seconds = 0` retries nothing."""
    assert Patience(0).pause() is None
