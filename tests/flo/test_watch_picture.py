"""The picture of `flo watch` in the README: what the program draws of an invented lake."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from inspect import signature
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from batch.standing.accounts import Pending, shorten
from batch.standing.flow import OnItsWay
from batch.standing.lake import Batch, Kpis, Share, Standing
from checkpoints.lock import Holder
from flo.watch_output import draw_screen
from lake.fs import FileInfo
from lake.reading import TableState
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    FEATURES,
    KPI_HISTORY,
    LEDGER,
    PLATFORM_KPIS,
    QUARANTINE,
    SNAPSHOTS,
)
from tests.batch.standings import NOW, account
from tests.processes import ROOT

PICTURE = ROOT / "docs" / "images" / "watch.svg"
WIDTH, HEIGHT = 104, 33

OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded", "quarantined")
# Rich's own template names fonts on another host; whoever looks at a page asks nobody.
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
_FAMILY = "font-family: ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace"


def seconds(count: float) -> timedelta:
    """Say how long ago."""
    return timedelta(seconds=count)


def table(version: int, files: int, size: int, ago: float, operation: str) -> TableState:
    """Invent the state of a table."""
    return TableState(version, files, size, NOW - seconds(ago), operation, version)


def busy_lake() -> Standing:
    """Invent a busy lake: a batch in hand, a drop that waits, and one that was rejected."""
    started = (NOW - timedelta(days=2, hours=5)).timestamp()
    begun = int((NOW - seconds(3)).timestamp() * 1000)
    in_hand = FileInfo("/flo/checkpoints/staging/7/118", 0, begun, True, "flo", 0o750)
    return Standing(
        now=NOW,
        holder=Holder("edge-1", "boot", 4711, started, "flo", "local-1772261999481", "token"),
        alive=True,
        pending=Pending(3, 1_873_402, NOW - seconds(5)),
        in_hand=in_hand,
        tables={
            FEATURES: table(131, 14, 61_204_377, 9, "MERGE"),
            SNAPSHOTS: table(121, 121, 118_620_113, 10, "WRITE"),
            QUARANTINE: table(34, 34, 214_655, 62, "WRITE"),
            LEDGER: table(119, 12, 402_118, 8, "WRITE"),
            CHANNEL_KPIS: table(118, 1, 6_204, 7, "WRITE"),
            PLATFORM_KPIS: table(118, 1, 5_377, 7, "WRITE"),
            CHANNEL_PLATFORM_KPIS: table(118, 1, 9_120, 6, "WRITE"),
            KPI_HISTORY: table(118, 118, 655_304, 6, "WRITE"),
        },
        last_batch=Batch(117, 2, 21_350, 4.1, NOW - seconds(8)),
        ever=Share({"ingested": 201, "duplicate": 4, "rejected": 1}, 1_204_618, 1_377),
        last_day=Share({"ingested": 52, "duplicate": 1, "rejected": 1}, 288_040, 61),
        rows={FEATURES: 412_906, SNAPSHOTS: 1_203_241, QUARANTINE: 1_377, LEDGER: 206},
        kpis=Kpis(131, NOW - seconds(6)),
        audited=True,
    )


def waiting() -> list[OnItsWay]:
    """Invent what lies in landing."""
    return [
        OnItsWay("stores_1159.csv", 1_204_377, NOW - seconds(5), in_hand=True),
        OnItsWay("app_1159.csv.gz", 431_020, NOW - seconds(4), in_hand=True),
        OnItsWay("web_1200.csv", 238_005, NOW - seconds(1), in_hand=False),
    ]


def done() -> Iterator[dict[str, Any]]:
    """Invent what was accounted for last."""
    yield became("web_1159.csv", 8, read=12_031, inserted=402, updated=11_629)
    yield became("stores_1158.csv", 8, read=9_319, inserted=88, updated=9_190, stale=41)
    yield became("app_1158.csv.gz", 21, read=4_870, inserted=655, updated=4_203, quarantined=12)
    same = "the same bytes are ingested already"
    yield became("web_1158 (2).csv", 21, state="duplicate", reason=same)
    yield became("web_1158.csv", 37, read=11_874, inserted=371, updated=11_480, unchanged=23)
    why = "empty_file: The file is empty; send it again with its data."
    yield became("app_1157.csv", 62, state="rejected", reason=why)
    yield became("stores_1157.csv", 62, read=8_902, inserted=75, updated=8_790, stale=37)


def became(
    name: str,
    ago: float,
    *,
    read: int = 0,
    state: str = "ingested",
    reason: str | None = None,
    **rows: int,
) -> dict[str, Any]:
    """Invent an account, as a screen shows it."""
    counts = {f"rows_{word}": rows.get(word, 0) for word in OUTCOMES}
    told = {"finished_at": NOW - seconds(ago), "state": state, "reason": reason, "rows_read": read}
    return shorten(account(name, **told, **counts))


def draw() -> str:
    """Draw the screen as a picture of a terminal."""
    template = signature(Console.export_svg).parameters["code_format"].default
    template = re.sub("font-family: Fira Code, monospace", _FAMILY, _FONTS.sub("", template))
    console = Console(
        record=True, file=StringIO(), width=WIDTH, highlight=False, emoji=False, _environ={}
    )
    console.print(draw_screen(busy_lake(), Settings(), waiting(), list(done()), HEIGHT))
    svg = console.export_svg(title="flo watch", code_format=template, unique_id="watch")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Draw it as on any machine: in one time zone, by the default settings."""
    for name in [name for name in os.environ if name.startswith("FLO_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield draw()
    monkeypatch.undo()
    time.tzset()


def test_the_picture_is_what_is_drawn(drawn: str) -> None:
    """Whoever changes the screen changes the picture with it: `KEEP_PICTURE=1` stores it."""
    if os.environ.get("KEEP_PICTURE"):
        PICTURE.write_text(drawn, "utf-8")
    assert PICTURE.read_text("utf-8") == drawn, "KEEP_PICTURE=1 stores what is drawn now"


def test_the_picture_has_all_and_asks_for_nothing(drawn: str) -> None:
    """Status, advice and drops fit; no font, style or picture comes from elsewhere."""
    root = ElementTree.fromstring(drawn)
    text = " ".join("".join(root.itertext()).replace("\xa0", " ").split())
    for words in (
        "running since 2026-02-28 07:00:00 (2 d): flo on edge-1",
        "3 drops wait (1.9 MB), the oldest for 5 s; batch 118 is in hand",
        "1 drop was rejected within 24 hours: flo drops --state rejected",
        "web_1200.csv",
        "stores_1157.csv",
    ):
        assert words in text
    assert "…" not in text
    assert "@font-face" not in drawn
    assert "@import" not in drawn
    assert set(re.findall(r"url\((.)", drawn)) == {"#"}
    assert {each.tag.rpartition("}")[2] for each in root.iter()}.isdisjoint({"image", "script"})
