"""What the soak promises of itself, without running it: its plan, its drops and its judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from bench.yardstick import yardstick
from tests.faults.soak.accounts import Comparison
from tests.faults.soak.drops import Kind, make_groups
from tests.faults.soak.figures import Soaked, describe, limits
from tests.faults.soak.plan import FULL, Plan, Trouble
from tests.faults.soak.watch import Batch, BatchClock
from tests.faults.soak.webhdfs import WebHdfs
from tests.figures import write_figures
from tests.oracle import File, Oracle

# How quick the machine is, which the report says, is measured once for all tests here.
measured = cache(yardstick)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Callable[[Soaked], str]:
    """Return what describes a soak."""
    monkeypatch.setattr("tests.faults.soak.figures.yardstick", measured)
    return describe


def test_no_window_holds_a_cold_or_a_killed_batch() -> None:
    """Kills come after the first window; the last process is warm before each of its own two."""
    plan = Plan.of(FULL)
    assert Counter(plan.troubles.values()) == {
        Trouble.DRIVER: 5, Trouble.NAMENODE: 2, Trouble.DATANODE: 2,
    }  # fmt: skip
    assert plan.first.start == plan.first_of_last.start - plan.settled == 30
    assert len(plan.first) == len(plan.first_of_last) == len(plan.last(500)) == 100
    drivers = [at for at, what in plan.troubles.items() if what is Trouble.DRIVER]
    assert max(drivers) == plan.settled
    for at in plan.troubles:
        assert at > plan.first.stop
        assert at not in plan.first_of_last
        assert at + plan.warm_up <= plan.last(plan.least).start


@pytest.mark.parametrize(("drops", "seed"), [(FULL, 5), (FULL, 6), (2 * FULL, 7), (60, 5)])
def test_the_drops_are_enough_for_the_plan(drops: int, seed: int) -> None:
    """A group is a batch, and there are as many as the last window needs to begin warm."""
    groups = list(make_groups(seed, drops))
    assert sum(map(len, groups)) == drops
    assert {len(group) for group in groups} == {1, 2, 3}
    assert len(groups) >= Plan.of(drops).least


def test_a_seed_gives_the_same_drops_and_all_kinds() -> None:
    """Repetitions come long after the original, and the oracle can read all but the unreadable."""
    drops = [drop for group in make_groups(5, 150) for drop in group]
    assert drops == [drop for group in make_groups(5, 150) for drop in group]
    assert {drop.kind for drop in drops} == set(Kind)
    oracle, first = Oracle(), dict[bytes, int]()
    for number, drop in enumerate(drops):
        assert number - first.setdefault(drop.content, number) not in range(1, 12)
        if drop.kind is not Kind.UNREADABLE:
            oracle.take([File(drop.name, drop.content, 1_800_000_000_000 + number)])
    states = Counter(account["state"] for account in oracle.accounts)
    assert set(states) == {"ingested", "duplicate", "rejected"}
    outcomes = Counter[str]()
    for account in oracle.accounts:
        outcomes.update({k: v for k, v in account.items() if isinstance(v, int)})
    assert all(outcomes.values()), outcomes


class Staging(WebHdfs):
    """What is staged, to be changed between two looks."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, int]] = {}

    def list(self, path: str) -> dict[str, int]:
        """Give what a test put there."""
        return self.found.get(path, {})


def test_a_batch_lasts_as_long_as_the_stream_says() -> None:
    """One is begun when it is staged; killed and begun anew, it is still the same one."""
    hdfs = Staging()
    clock = BatchClock(hdfs, "/s")
    assert clock.look([""]) == (0, [])
    hdfs.found = {"/s": {"1": 1}, "/s/1": {"0": 1}}
    assert clock.look([""]) == (1, [])
    assert clock.in_hand
    hdfs.found = {"/s": {"2": 1}, "/s/2": {"0": 1}}
    assert clock.look(["", ""]) == (0, [])
    hdfs.found = {"/s": {"2": 1}}
    said = "timestamp=2026-03-02T12:00:09.5Z level=info event=batch batch=4 drops=2 seconds=3.5\n"
    planned, [batch] = clock.look(["", said])
    assert (planned, batch.number, batch.seconds) == (0, 4, 3.5)
    assert not clock.in_hand
    planned, finished = clock.look(["", said + said.replace("batch=4", "batch=5")])
    assert (planned, [each.number for each in finished]) == (1, [5])


def made() -> Soaked:
    """Make up a soak that meets every limit, barely."""
    plan = Plan.of(FULL)
    count = plan.least
    batches = [
        Batch(at, at * 10_000, at * 10_000 + (6_000 if at in plan.last(count) else 5_000), 100, 10)
        for at in range(count)
    ]
    return Soaked(
        drops=FULL, seed=5, minutes=40.0, plan=plan, kinds={"plain": FULL},
        killed={"driver": 5}, renewals=2, restart_seconds=[15.0, 16.0], batches=batches,
        heaps=[100, 110], landing=0, checks={"audit": 0},
        tables=Comparison(
            states={"ingested": FULL},
            rows=dict.fromkeys(("read", "accepted", "quarantined"), 7),
            customers=7, drops_different=0, customers_different=0,
            ledger_seconds={each.finished_ms or 0: 4.0 for each in batches},
        ),
    )  # fmt: skip


def slow(soaked: Soaked) -> list[Batch]:
    """Make the last window's batches a little slower than they may be."""
    late = soaked.last
    return [
        replace(each, finished_ms=cast(int, each.finished_ms) + (at in late))
        for at, each in enumerate(soaked.batches)
    ]


def big(soaked: Soaked) -> list[Batch]:
    """Let the last window's Python half have a little more memory than it may."""
    late = soaked.last
    return [
        replace(each, python_bytes=22 if at in late else 10)
        for at, each in enumerate(soaked.batches)
    ]


def test_a_soak_at_its_limits_is_good(report: Callable[[Soaked], str]) -> None:
    """At most 1.2 × the time and 1.1 × the memory are within the limits."""
    assert [each for each in limits(made()) if not each.met] == []
    assert "**missed**" not in report(made())


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        (lambda good: {"batches": slow(good)}, "time of a batch"),
        (lambda good: {"batches": big(good)}, "resident memory"),
        (lambda _: {"heaps": [100, 111]}, "live heap"),
        (lambda good: {"batches": good.batches[1:]}, "long enough"),
        (lambda _: {"landing": 1}, "landing"),
        (lambda _: {"checks": {"audit": 0, "verify": 1}}, "verify"),
        (lambda good: {"tables": replace(good.tables, drops_different=1)}, "recomputation"),
        (lambda good: {"tables": replace(good.tables, customers_different=1)}, "recomputation"),
    ],
)
def test_each_limit_can_be_missed(
    report: Callable[[Soaked], str], change: Any, missed: str
) -> None:
    """Just beyond a limit, that one is missed, no other, and the report says so."""
    good = made()
    bad = replace(good, **change(good))
    found = [each.what for each in limits(bad) if not each.met]
    assert len(found) == 1
    assert missed in found[0]
    assert report(bad).count("**missed**") == 1


def test_figures_replace_what_is_between_their_marks(tmp_path: Path) -> None:
    """Text around the marks and other programs' figures stay; without marks nothing is written."""
    report = tmp_path / "report.md"
    other = "<!-- begin: kills -->\nkills\n<!-- end: kills -->\n"
    report.write_text(f"{other}text\n<!-- begin: soak -->\n<!-- end: soak -->\nend\n")
    for figures in ("old", "new"):
        write_figures("soak", figures, report)
    text = f"{other}text\n<!-- begin: soak -->\nnew\n<!-- end: soak -->\nend\n"
    assert report.read_text() == text
    with pytest.raises(ValueError, match="begin: other"):
        write_figures("other", "figures", report)
    assert report.read_text() == text
