"""``flo watch``: the status, live, and the drops flowing through; lines without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flo.asking import OpenLake
from flo.output import plain, say
from flo.status_output import ago, draw_status, size_in_words
from lake.errors import TransientError

if TYPE_CHECKING:
    from batch.standing.flow import OnItsWay
    from batch.standing.lake import Standing
    from lake.reading import Lake
    from lake.settings import Settings

_OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded", "quarantined")
_STYLES = {"ingested": "green", "duplicate": "dim", "rejected": "red"}
_NEWEST = 50
_LAST = 3
# Of a file's name so much is always shown.
_NAME = 40
# An audit lists the whole archive: not at every look.
_LOOKS_PER_AUDIT = 30
# What the screen needs beside the drops: the sentences, the head of a table, blank lines.
_FRAME_LINES = 6


def watch_lake(open_lake: OpenLake, settings: Settings, seconds: float) -> None:
    """Show the lake until Ctrl-C: a screen on a terminal, else a line for each drop.

    Trouble that may pass is shown, and the next look tried.

    Args:
        open_lake: opens it for one look.
        settings: where it is.
        seconds: the pause between two looks.
    """
    open_lake()  # what is wrong from the beginning ends the command
    if sys.stdout.isatty():
        _draw_for_ever(open_lake, settings, seconds)
    else:
        _print_for_ever(open_lake, settings, seconds)


def _draw_for_ever(open_lake: OpenLake, settings: Settings, seconds: float) -> None:
    screen = Screen(open_lake, settings)
    console = Console(highlight=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen.draw(console.height), refresh=True)
            time.sleep(seconds)


class Screen:
    """What is drawn at each look."""

    def __init__(self, open_lake: OpenLake, settings: Settings) -> None:
        """Remember where to look; nothing is read yet."""
        self._open_lake = open_lake
        self._settings = settings
        self._looks = 0
        self._last: Standing | None = None
        self._drawn: RenderableType = Text("Looking …")

    def draw(self, height: int) -> RenderableType:
        """Look once and draw it in so many lines; in trouble, draw what was seen last."""
        try:
            self._drawn = self._look(height)
        except TransientError as trouble:
            return Group(Text(f"{trouble} Trying again.", style="red"), self._drawn)
        return self._drawn

    def _look(self, height: int) -> RenderableType:
        from batch.standing.accounts import newest_accounts, shorten
        from batch.standing.flow import drops_on_their_way
        from batch.standing.lake import look_at_lake
        from lake.tables import LEDGER

        lake, last = self._open_lake(), self._last
        audit = self._looks % _LOOKS_PER_AUDIT == 0
        standing = look_at_lake(lake, self._settings, audit=audit)
        if not audit and last is not None:
            standing = replace(standing, audited=last.audited, findings=last.findings)
        self._looks, self._last = self._looks + 1, standing
        done: Sequence[Mapping[str, Any]] = ()
        if LEDGER in standing.tables:
            done = [shorten(row) for row in lake.rows(newest_accounts(limit=_NEWEST))]
        waiting = drops_on_their_way(lake, self._settings)
        return draw_screen(standing, self._settings, waiting, done, height)


def draw_screen(
    at: Standing,
    settings: Settings,
    waiting: Sequence[OnItsWay],
    done: Sequence[Mapping[str, Any]],
    height: int,
) -> RenderableType:
    """Draw one look: how all stands, and below it as many drops as fit into so many lines.

    ``waiting`` and ``done`` are those of :func:`draw_drops`.
    """
    from batch.standing.advice import advise

    above = draw_status(at, settings, advise(at))
    taken = len(at.tables) + len(settings.shown_spark) + 2 * _FRAME_LINES
    return Group(above, draw_drops(at, waiting, done, max(height - taken, 3)))


def draw_drops(
    at: Standing,
    waiting: Sequence[OnItsWay],
    done: Sequence[Mapping[str, Any]],
    lines: int,
) -> RenderableType:
    """Draw the drops as they go: those in landing and in hand above those accounted for.

    Args:
        at: the look that they belong to.
        waiting: in landing, the next one first.
        done: short accounts, the newest first.
        lines: how many fit; half of them at most are for landing.
    """
    shown = list(waiting[: max(lines // 2, lines - len(done))])
    rows = [
        (
            ago(at.now, each.modified_at),
            plain(each.name),
            "in hand" if each.in_hand else "waiting",
            size_in_words(each.bytes),
        )
        for each in reversed(shown)
    ]
    rows += [
        (
            ago(at.now, row["finished_at"]),
            plain(row["file"]),
            str(row["state"]),
            plain(_say_outcome(row)),
        )
        for row in done[: max(lines - len(shown), 0)]
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(("when", "drop", "state", "what became of it")):
        # Where it is too narrow, the last column gives way; a line stays one line.
        longest = 0 if position == _LAST else max((len(row[position]) for row in rows), default=0)
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=min(longest, _NAME))
    for when, file, state, told in rows:
        table.add_row(Text(when), Text(file), Text(state, _STYLES.get(state, "yellow")), Text(told))
    return table


def _print_for_ever(open_lake: OpenLake, settings: Settings, seconds: float) -> None:
    say(f"Watching {settings.landing}; Ctrl-C ends it.")
    seen: set[tuple[Any, ...]] = set()
    while True:
        try:
            print_new(open_lake(), settings, seen)
        except TransientError as trouble:
            say(f"{trouble} Trying again.")
        time.sleep(seconds)


def print_new(lake: Lake, settings: Settings, seen: set[tuple[Any, ...]]) -> None:
    """Print the accounts that were not printed before, the oldest first."""
    from batch.standing.accounts import look_at_landing, newest_accounts, shorten

    newest = [shorten(row) for row in lake.rows(newest_accounts(limit=_NEWEST))]
    for row in reversed(newest):
        key = tuple(row.values())
        if key not in seen:
            seen.add(key)
            line = f"{row['finished_at']:%H:%M:%S}  {row['file']}  {row['state']}"
            print(plain(f"{line}: {_say_outcome(row)}"), flush=True)
    pending = look_at_landing(lake.files, settings)
    if pending.files:
        say(f"{pending.files} files ({pending.bytes:,} bytes) are waiting in landing.")


def _say_outcome(row: Mapping[str, Any]) -> str:
    if row["reason"]:
        return str(row["reason"])
    counts = ((row[f"rows_{word}"], word) for word in _OUTCOMES)
    told = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    return f"{row['rows_read']:,} rows{': ' if told else ''}{told}"
