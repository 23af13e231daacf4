"""Some contests for the lock; `python -m tests.faults.contests` holds ten thousand."""

from __future__ import annotations

import pytest

from lake.fs import FileSystem
from tests.faults.contests.contest import MEETINGS, run_contests
from tests.lakes import DropLake

pytestmark = pytest.mark.integration

CONTESTS = 300


def test_never_two_hold_the_lock(lake: DropLake, environment: dict[str, str]) -> None:
    """Processes on HDFS start at once, in twos and threes, whatever lock they meet: one holds it.

    It is none where the lock may be another's that is being written.
    """
    settled = run_contests(environment, FileSystem.of(lake.spark), range(CONTESTS))
    assert settled.total() == CONTESTS
    assert set(settled) == set(MEETINGS)
