"""The sections about drops: what they brought, what was refused, what the columns lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batch.reporting.charts import draw_bars, draw_drops
from batch.reporting.figures import Drop, Figures, Reason
from batch.reporting.numbers import count, label, share
from batch.reporting.parts import Cell, Chart, Section, Table, part_of

_STATES = ("ingested", "duplicate", "rejected")
_CHARTED = 12


def show_drops(figures: Figures) -> Section:
    """Show what each drop brought: customers that are new, and that changed."""
    drops, title = figures.drops, "New and changed customers per drop"
    if not drops.newest:
        return Section("drops", title, "Drops", says=("No drop has been taken in yet.",))
    told = ", ".join(f"{count(drops.count(state))} {state}" for state in _STATES)
    return Section(
        "drops",
        title,
        "Drops",
        says=(f"Files so far: {told}.",),
        charts=_draw_newest(figures),
        tables=(_tabulate_files(drops.newest),),
    )


def _tabulate_files(files: Sequence[Drop]) -> Table:
    head = (
        *("File", "Accounted for at", "Became", "Rows", "New", "Changed"),
        *("Unchanged", "Stale", "Superseded", "Refused"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            label(each.file),
            f"{each.finished_at:%Y-%m-%d %H:%M}",
            each.state,
            *map(count, (each.read, each.new, each.changed, each.unchanged)),
            *map(count, (each.stale, each.superseded, each.refused)),
        )
        for each in files
    ]
    return Table(
        f"The newest {count(len(files))} files" if len(files) > 1 else "The one file",
        head,
        tuple(rows),
        texts=3,
        note="A stale row is older than what is known of its customer; a superseded one is "
        "followed by another of the same customer in the same file.",
    )


def _draw_newest(figures: Figures) -> tuple[Chart, ...]:
    """Draw the newest ingested drops, and what became of their rows."""
    taken = [each for each in reversed(figures.drops.newest) if each.state == "ingested"]
    if not taken:
        return ()
    last = figures.drops.count("ingested")
    numbers = list(range(last - len(taken) + 1, last + 1))
    series = {"new": [each.new for each in taken], "changed": [each.changed for each in taken]}
    fates = {
        "new": sum(series["new"]),
        "changed": sum(series["changed"]),
        "unchanged": sum(each.unchanged for each in taken),
        "stale": sum(each.stale for each in taken),
        "superseded": sum(each.superseded for each in taken),
        "refused": sum(each.refused for each in taken),
    }
    return (
        draw_drops("Customers new and changed, by drop", numbers, series),
        draw_bars(
            "What became of these drops' rows",
            [(fate, rows, count(rows)) for fate, rows in fates.items()],
        ),
    )


def show_refused(figures: Figures) -> Section:
    """Show why rows and whole files were refused."""
    drops, title = figures.drops, "Refused rows"
    says = f"{count(drops.rows_refused)} of {count(drops.rows_read)} rows are in quarantine"
    shown = f" ({share(drops.rows_refused, drops.rows_read)})" if drops.rows_read else ""
    tables = []
    if drops.refusals:
        files = tuple((label(code), count(number)) for code, number in drops.refusals)
        tables.append(Table("Files refused whole", ("Reason", "Files"), files))
    if not figures.refused:
        return Section("refused", title, "Refused", says=(f"{says}{shown}.",), tables=tuple(tables))
    chart = draw_bars(
        "Refused rows by reason",
        [(each.name, each.rows, count(each.rows)) for each in figures.refused[:_CHARTED]],
        width=30,
    )
    return Section(
        "refused",
        title,
        "Refused",
        says=(f"{says}{shown}. A row with two reasons counts under both.",),
        charts=(chart,),
        tables=(_tabulate("Reasons", figures.refused, drops.rows_read), *tables),
    )


def _tabulate(caption: str, reasons: Sequence[Reason], whole: int) -> Table:
    rows = tuple(
        (label(each.name), each.says, count(each.rows), share(each.rows, whole)) for each in reasons
    )
    return Table(caption, ("Reason", "Meaning", "Rows", "Share"), rows, texts=2)


def show_quality(figures: Figures) -> Section:
    """Show what each column of the features lacks, and what the rules say of it."""
    refused, warned = _by_column(figures.refused), _by_column(figures.warned)
    rows: list[tuple[Cell, ...]] = [
        (
            column.name,
            column.kind,
            count(column.missing),
            part_of(column.missing, figures.customers),
            count(refused[column.name]),
            count(warned[column.name]),
        )
        for column in figures.columns
    ]
    tables = [
        Table(
            "Columns of customer_features",
            ("Column", "Type", "Missing", "Share missing", "Refusals", "Warnings"),
            tuple(rows),
            texts=2,
            note="Refusals and warnings are of rows of all drops so far, by the columns that "
            "their rule names. Counts and totals are 0 where nothing was said.",
        )
    ]
    if figures.warned:
        tables.append(_tabulate("Warnings by rule", figures.warned, figures.accepted))
    return Section(
        "quality",
        "Data quality",
        "Data quality",
        says=(
            f"{count(figures.customers)} customers, from {count(figures.accepted)} accepted rows.",
        ),
        tables=tuple(tables),
    )


def _by_column(reasons: Sequence[Reason]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for each in reasons:
        counts.update(dict.fromkeys(each.columns, each.rows))
    return counts
