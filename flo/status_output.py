"""What ``flo status`` prints: rows for programs, one screen for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from flo.output import plain

if TYPE_CHECKING:
    from batch.standing.advice import Advice
    from batch.standing.lake import Share, Standing
    from lake.settings import Settings

_STATES = ("ingested", "duplicate", "rejected")
_LABEL = 12
_WIDE = 200
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def status_rows(
    at: Standing, settings: Settings, advice: Sequence[Advice]
) -> Iterator[tuple[str, Any]]:
    """List a look at the lake as names and values, for ``csv`` and ``json``."""
    last, batch = at.newest, at.last_batch
    yield "root", settings.path()
    yield "stream", f"running: {at.running}" if at.running else "not running"
    yield "stream since", at.stream_since
    yield "pending files", at.pending.files
    yield "pending bytes", at.pending.bytes
    yield "oldest pending since", at.pending.oldest
    yield "oldest pending seconds", _seconds(at.now, at.pending.oldest)
    yield from ((f"drops {state}", at.ever.states.get(state, 0)) for state in _STATES)
    yield from ((f"drops {state} in 24 h", at.last_day.states.get(state, 0)) for state in _STATES)
    yield "quarantine share", at.ever.quarantined
    yield "quarantine share in 24 h", at.last_day.quarantined
    yield "last drop", last["path"].rsplit("/", 1)[-1] if last else None
    yield "last drop became", last["state"] if last else None
    yield "last drop at", last["finished_at"] if last else None
    yield "last batch", batch.number if batch else None
    yield "last batch drops", batch.drops if batch else None
    yield "last batch rows", batch.rows if batch else None
    yield "last batch seconds", batch.seconds if batch else None
    yield "last batch at", batch.finished_at if batch else None
    yield "rows a second", batch.rows_a_second if batch else None
    yield "batch in hand", int(at.in_hand.name) if at.in_hand else None
    features = at.tables.get("customer_features")
    yield "features version", features.version if features else None
    yield "KPIs of features version", at.kpis.features_version
    yield "KPIs computed at", at.kpis.computed_at
    yield "KPIs behind", at.kpis_behind
    for name, state in at.tables.items():
        yield f"{name} version", state.version
        yield f"{name} rows", at.rows.get(name)
        yield f"{name} files", state.files
        yield f"{name} bytes", state.bytes
        yield f"{name} committed at", state.committed_at
    yield "files unaccounted for", len(at.findings) if at.audited else None
    yield "to do", [str(each) for each in advice]
    yield from ((f"spark.{key}", value) for key, value in settings.shown_spark.items())


def print_status(at: Standing, settings: Settings, advice: Sequence[Advice]) -> None:
    """Print one screen for people."""
    console = Console(file=sys.stdout, highlight=False, emoji=False)
    if not sys.stdout.isatty():  # whoever reads it has no width to keep to
        console.width = _WIDE
    with console.capture() as drawn:
        console.print(draw_status(at, settings, advice))
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def draw_status(at: Standing, settings: Settings, advice: Sequence[Advice]) -> RenderableType:
    """Draw one screen: how all stands, and below it what has to be done."""
    lines = [_line(label, text, style) for label, text, style in _sentences(at, settings)]
    return Group(*lines, draw_tables(at), *draw_advice(at, advice))


def draw_tables(at: Standing) -> RenderableType:
    """Draw a line for each table: version, rows, files, size and the age of its last commit."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("table", "version", "rows", "files", "size", "last commit"):
        table.add_column(
            name, justify="left" if name in ("table", "last commit") else "right", no_wrap=True
        )
    for name, state in at.tables.items():
        rows = at.rows.get(name)
        table.add_row(
            name,
            str(state.version),
            "–" if rows is None else f"{rows:,}",
            f"{state.files:,}",
            size_in_words(state.bytes),
            f"{ago(at.now, state.committed_at)} ({state.operation.lower()})",
        )
    return table


def draw_advice(at: Standing, advice: Sequence[Advice]) -> Iterator[Text]:
    """Draw what has to be done, the most urgent first."""
    if not advice:
        asked = "" if at.audited else " (`flo audit` was not asked: it would take long here)"
        yield Text(f"Nothing needs doing{asked}.", style="green")
    for each in advice:
        yield Text.assemble("→ ", (f"{plain(each.says)}: ", ""), (each.command, "bold yellow"))


def _sentences(at: Standing, settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Say of each part how it stands: label, sentence, style."""
    yield "lake", settings.path(), ""
    if at.running and at.stream_since:
        since = f"{at.stream_since.astimezone():%Y-%m-%d %H:%M:%S}"
        told = f"running since {since} ({age(at.now, at.stream_since)}): {at.running}"
        yield "stream", told, "green"
    else:
        yield "stream", "not running", "yellow"
    yield "last batch", _say_batch(at), ""
    yield "landing", _say_landing(at), ""
    yield "24 hours", _say_share(at.last_day), ""
    yield "ever", _say_share(at.ever), ""
    yield "KPIs", _say_kpis(at), ""
    for key, value in settings.shown_spark.items():
        yield "setting", f"spark: {key} = {value}", "dim"


def _say_batch(at: Standing) -> str:
    batch = at.last_batch
    if batch is None:
        return "none yet"
    speed = batch.rows_a_second
    pace = f" ({speed:,.0f} rows a second)" if speed is not None else ""
    return (
        f"{batch.number}: {_many(batch.drops, 'drop')}, {_many(batch.rows, 'row')} "
        f"in {batch.seconds:.1f} s"
        f"{pace}, {ago(at.now, batch.finished_at)}"
    )


def _say_landing(at: Standing) -> str:
    pending = at.pending
    hand = f"; batch {at.in_hand.name} is in hand" if at.in_hand else ""
    if pending.oldest is None:
        return f"nothing waits{hand}"
    wait = "waits" if pending.files == 1 else "wait"
    return (
        f"{_many(pending.files, 'drop')} {wait} ({size_in_words(pending.bytes)}), "
        f"the oldest for {age(at.now, pending.oldest)}{hand}"
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _say_share(share: Share) -> str:
    drops = ", ".join(f"{share.states.get(state, 0):,} {state}" for state in _STATES)
    refused = share.quarantined
    told = "" if refused is None else f"; {refused:.2%} of {share.rows_read:,} rows in quarantine"
    return drops + told


def _say_kpis(at: Standing) -> str:
    shown, features = at.kpis, at.tables.get("customer_features")
    if shown.computed_at is None or features is None:
        return "never computed"
    told = f"computed {ago(at.now, shown.computed_at)}, of features version"
    if at.kpis_behind:
        return f"{told} {shown.features_version}; the features are at {features.version}"
    return f"{told} {shown.features_version}, up to date"


def size_in_words(count: int) -> str:
    """Write a number of bytes with a unit, in steps of a thousand: ``1.2 MB``."""
    size, unit = float(count), 0
    while size >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{count} {_UNITS[0]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def age(now: datetime, then: datetime) -> str:
    """Write how long ago a moment is, in its largest unit: ``12 min``."""
    seconds = max(int((now - then).total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def ago(now: datetime, then: datetime) -> str:
    """Write how long ago a moment is, as a phrase."""
    return "now" if now - then < timedelta(seconds=1) else f"{age(now, then)} ago"


def _seconds(now: datetime, then: datetime | None) -> int | None:
    return None if then is None else max(int((now - then).total_seconds()), 0)


def _line(label: str, text: str, style: str) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", "bold"), (plain(text), style))
