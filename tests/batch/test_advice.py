"""The operator is told what to do, by a command, and nothing where all is well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from batch.standing.accounts import Pending
from batch.standing.advice import RULES, advise
from batch.standing.audit import Finding, Kind
from batch.standing.lake import Batch, Kpis, Share
from checkpoints.troubles import Trouble
from lake.fs import FileInfo
from lake.tables import FEATURES, LEDGER
from tests.batch.standings import NOW, standing, state

HOUR = timedelta(hours=1)
SOME = Share({"ingested": 3}, 1000, 0)
WAITING = Pending(2, 20, NOW - HOUR)


def in_hand(ago: timedelta) -> FileInfo:
    """Let batch 5 have been begun so long ago."""
    millis = int((NOW - ago).timestamp() * 1000)
    return FileInfo("/flo/checkpoints/staging/2/5", 0, millis, True, "ada", 0o755)


WELL: dict[str, dict[str, Any]] = {
    "a stream at rest": {},
    "no stream, and nothing to do": {"alive": False, "holder": None},
    "drops that the stream is taking in": {
        "pending": WAITING,
        "in_hand": in_hand(timedelta(minutes=9)),
    },
    "an old file, dropped just now": {
        "pending": WAITING,
        "last_batch": Batch(4, 1, 10, 1.0, NOW - timedelta(minutes=9)),
    },
    "some rows in quarantine": {"last_day": Share({"ingested": 1}, 1000, 10)},
    "rejected two days ago": {"ever": Share({"rejected": 1}, 10, 10)},
    "KPIs of the newest features": {"ever": SOME, "kpis": Kpis(3, NOW)},
    "a compaction since the KPIs": {
        "ever": SOME,
        "kpis": Kpis(3, NOW),
        "tables": {LEDGER: state(), FEATURES: state(4, changed=3)},
    },
    "KPIs that a stream is about to compute": {
        "ever": SOME,
        "kpis": Kpis(2, NOW),
        "tables": {LEDGER: state(), FEATURES: state(ago=timedelta(seconds=30))},
    },
}
ILL: dict[str, tuple[dict[str, Any], str, str]] = {
    "no tables": ({"tables": {}, "alive": False}, "no_tables", "flo init"),
    "drops, and no stream": ({"alive": False, "pending": WAITING}, "no_stream", "flo stream"),
    "a dead process's lock": ({"alive": False}, "no_stream", "flo stream"),
    "a batch left undone": (
        {"alive": False, "holder": None, "in_hand": in_hand(HOUR)},
        "no_stream",
        "flo stream",
    ),
    "a stuck batch": ({"in_hand": in_hand(HOUR)}, "stuck", "flo watch"),
    "drops beside an idle stream": ({"pending": WAITING}, "idle", "flo watch"),
    "a file unaccounted for": (
        {"findings": [Finding("/l/a.csv", Kind.NOT_IN_LEDGER, "who put it there")]},
        "unaccounted",
        "flo audit",
    ),
    "a file that may not be read": (
        {
            "pending": Pending(1, 10, NOW - HOUR),
            "troubles": [Trouble("/l/a.csv", "Cannot read /l/a.csv (user flo, READ). Ask.")],
            "findings": [Finding("/l/a.csv", Kind.NOT_READ, "Cannot read /l/a.csv")],
        },
        "trouble",
        "flo audit",
    ),
    "a rejected drop": (
        {"last_day": Share({"rejected": 1}, 0, 0)},
        "rejected",
        "flo drops --state rejected",
    ),
    "many rows in quarantine": (
        {"last_day": Share({"ingested": 1}, 1000, 11)},
        "quarantine",
        "flo quarantine",
    ),
    "KPIs never computed": ({"ever": SOME}, "kpis", "flo kpis"),
    "KPIs behind": ({"ever": SOME, "kpis": Kpis(2, NOW)}, "kpis", "flo kpis"),
}


@pytest.mark.parametrize("name", WELL)
def test_nothing_is_advised_where_all_is_well(name: str) -> None:
    """What passes by itself is no reason to do anything."""
    assert advise(standing(**WELL[name])) == []


@pytest.mark.parametrize("name", ILL)
def test_what_is_wrong_has_one_advice(name: str) -> None:
    """Each trouble is told once, with the command that mends or shows it."""
    values, rule, command = ILL[name]
    assert [(each.rule, each.command) for each in advise(standing(**values))] == [(rule, command)]


def test_each_rule_has_its_case() -> None:
    """No rule goes untested."""
    assert {rule for _, rule, _ in ILL.values()} == {rule.name for rule in RULES}


def test_the_most_urgent_comes_first() -> None:
    """A stream that does not run is told before figures that are behind it."""
    told = advise(
        standing(alive=False, pending=WAITING, ever=SOME, last_day=Share({"rejected": 2}, 0, 0))
    )
    assert [each.rule for each in told] == ["no_stream", "rejected", "kpis"]
    assert str(told[0]) == "2 files wait in landing, and no stream runs: `flo stream`"
    assert str(told[1]).startswith("2 drops were rejected")
