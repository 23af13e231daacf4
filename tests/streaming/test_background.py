"""Work goes on beside its caller, and nothing that goes wrong in it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lake.errors import LockedError
from streaming.background import Background


def fail() -> None:
    """Go wrong."""
    raise ValueError("torn")


def test_the_caller_is_free_until_the_work_is_done() -> None:
    """It waits as long as it likes, and may begin the next piece when one is done."""
    on, done = threading.Event(), list[int]()
    with Background(lambda: None) as work:
        assert not work.busy()
        for number in range(2):
            on.clear()
            work.start(lambda number=number: (on.wait(10), done.append(number))[1])
            assert work.busy(0.01)
            on.set()
            assert not work.busy(10)
    assert done == [0, 1]


def test_what_goes_wrong_comes_back_once() -> None:
    """To who asks how it is, or to who leaves without asking."""
    with Background(lambda: None) as work:
        work.start(fail)
        with pytest.raises(ValueError, match="torn"):
            work.busy(10)
        assert not work.busy()
    with pytest.raises(ValueError, match="torn"), Background(lambda: None) as work:
        work.start(fail)


def leave_with(error: Exception, work: Callable[[], None]) -> None:
    """Begin a piece of work, and go wrong beside it."""
    with Background(lambda: None) as background:
        background.start(work)
        raise error


def test_another_error_is_not_hidden_by_that_of_the_work() -> None:
    """What has gone wrong first is told; the work is waited for all the same."""
    done: list[str] = []
    with pytest.raises(OSError, match="first"):
        leave_with(OSError("first"), lambda: (done.append("work"), fail())[1])
    assert done == ["work"]


def test_while_it_is_waited_for_other_things_are_tended() -> None:
    """Such as the lock, which would look like a dead one's."""
    on = threading.Event()
    with Background(on.set) as work:
        work.start(lambda: on.wait(30) and None)
    assert on.is_set()


def test_work_on_the_tables_of_another_stream_is_not_waited_for() -> None:
    """The program ends at once; the fence sees to the rest."""
    on, done = threading.Event(), threading.Event()
    with pytest.raises(LockedError):
        leave_with(LockedError("lost"), lambda: (on.wait(10), done.set())[1])
    assert not done.is_set()
    on.set()
