"""How a dry run is printed: sections as tables, one object, or long CSV."""

from __future__ import annotations

from typing import Any

from batch.dry_run import DryRun
from batch.kpis.changes import KpiChange
from batch.kpis.formulas import NUMBERS
from batch.standing.accounts import COUNTS
from checkpoints.ledger import LedgerRow, State
from flo.output import Format, print_rows

_FOUND = ("delimiter", "encoding", "date_format", "decimal_mark", "columns", "notes")
_SIDES = ("before", "after", "difference")


def print_dry_run(file: str, run: DryRun, output: Format) -> None:
    """Print what would become of a file.

    A sentence and a table for each section that has something to say; as JSON an array of one
    object that has them all; as CSV one line per value, with the section, the item (a reason, a
    warning or a group of customers) and the name. Tables show of a KPI row what changes.
    """
    account = run.account
    names = ("state", "reason", "drop_id", "bytes", *COUNTS, *_FOUND)
    facts = {"file": file} | {name: getattr(account, name) for name in names}
    if output is Format.TABLE:
        _print_tables(facts, run)
    elif output is Format.JSON:
        record = facts | _sections(run)
        print_rows(tuple(record), [tuple(record.values())], output)
    else:
        print_rows(("section", "item", "name", "value"), _long(facts, run), output)


def describe(file: str, run: DryRun) -> str:
    """Say what would become of a file, as one sentence."""
    account = run.account
    if account.state != State.INGESTED:
        state = "a duplicate" if account.state == State.DUPLICATE else account.state
        return f"{file} would be {state}: {(account.reason or '').rstrip('.')}."
    return f"{file} would be ingested: {_accepted(account)}, and {_changes(len(run.kpis))}."


def _accepted(account: LedgerRow) -> str:
    return f"{account.rows_accepted:,} of its {account.rows_read:,} rows would be accepted"


def _changes(rows: int) -> str:
    if not rows:
        return "no KPI would change"
    return f"{rows:,} {'row' if rows == 1 else 'rows'} of the KPI tables would change"


def _print_tables(facts: dict[str, Any], run: DryRun) -> None:
    counts = [(name.removeprefix("rows_"), facts[name]) for name in COUNTS]
    print_rows(("rows", "count"), counts, title=describe(facts["file"], run))
    if run.reasons:
        print_rows(("reason", "rows"), list(run.reasons.items()), title="Quarantine")
    if run.warnings:
        print_rows(("warning", "rows"), list(run.warnings.items()), title="Warnings")
    if facts["delimiter"]:
        found = [(name, _shown(facts[name])) for name in _FOUND if facts[name]]
        print_rows(("fact", "value"), found, title="Found in the file")
    for table in dict.fromkeys(change.kpi_table for change in run.kpis):
        own = [change for change in run.kpis if change.kpi_table == table]
        columns = (*own[0].group, "kpi", *_SIDES)
        rows = [row for change in own for row in _changed_numbers(change)]
        print_rows(columns, rows, title=f"Changes in {table}")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return "tab" if value == "\t" else f"{value}"


def _changed_numbers(change: KpiChange) -> list[tuple[Any, ...]]:
    before, after, difference = change.before, change.after, change.difference
    return [
        (*change.group.values(), name, before[name], after[name], difference[name])
        for name in NUMBERS
        if before[name] != after[name]
    ]


def _sections(run: DryRun) -> dict[str, Any]:
    return {
        "quarantine": [{"reason": name, "rows": rows} for name, rows in run.reasons.items()],
        "warnings": [{"warning": name, "rows": rows} for name, rows in run.warnings.items()],
        "kpis": [
            {
                "kpi_table": change.kpi_table,
                **change.group,
                **{side: dict(getattr(change, side)) for side in _SIDES},
            }
            for change in run.kpis
        ],
    }


def _long(facts: dict[str, Any], run: DryRun) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [("file", None, name, value) for name, value in facts.items()]
    rows += [("quarantine", name, "rows", count) for name, count in run.reasons.items()]
    rows += [("warnings", name, "rows", count) for name, count in run.warnings.items()]
    for change in run.kpis:
        for side in _SIDES:
            numbers = getattr(change, side)
            rows += [
                (change.kpi_table, change.group, f"{name}_{side}", numbers[name])
                for name in NUMBERS
            ]
    return rows
