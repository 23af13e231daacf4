"""``flo status``, ``flo watch``, ``flo drops`` and ``flo quarantine``: what became of drops."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from flo.options import Conf, Output, settings_for
from flo.output import Format, print_frame, print_rows, say

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lake.settings import Settings


class DropState(StrEnum):
    """What can become of a drop."""

    INGESTED = "ingested"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (status, watch, drops, quarantine):
        app.command()(command)


def status(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Show whether a stream runs, what is pending, and where the tables stand."""
    settings = settings_for(ctx, conf)
    from batch.accounts import describe_status
    from lake.session import build_session

    print_rows(
        ("what", "value"), describe_status(build_session(settings, "flo-status"), settings), output
    )


def drops(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(help="How many, the newest first.", min=1)] = 20,
    state: Annotated[
        DropState | None,
        typer.Option(metavar="ingested|duplicate|rejected", help="Only these."),
    ] = None,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Show the ledger: what became of each drop. CSV and JSON have all columns."""
    settings = settings_for(ctx, conf)
    from batch.accounts import read_ledger, shorten
    from lake.session import build_session

    ledger = read_ledger(build_session(settings, "flo-drops"), settings)
    chosen = (ledger.where(ledger.state == state.value) if state else ledger).limit(limit)
    print_frame(shorten(chosen) if output is Format.TABLE else chosen, output)


def watch(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Option(help="Pause between two looks.", min=0.5)] = 2.0,
    conf: Conf = None,
) -> None:
    """Print a line for each drop as it is accounted for, until Ctrl-C."""
    settings = settings_for(ctx, conf)
    from lake.session import build_session

    spark = build_session(settings, "flo-watch")
    seen: set[tuple[object, ...]] = set()
    say(f"Watching {settings.landing}; Ctrl-C ends it.")
    while True:
        _print_new(spark, settings, seen)
        time.sleep(seconds)


def _print_new(spark: SparkSession, settings: Settings, seen: set[tuple[object, ...]]) -> None:
    """Print the accounts that were not printed before, the oldest first."""
    from batch.accounts import look_at_landing, read_ledger, shorten
    from lake.fs import FileSystem

    newest = [tuple(row) for row in shorten(read_ledger(spark, settings)).limit(50).collect()]
    for row in reversed(newest):
        if row not in seen:
            seen.add(row)
            at, file, state, read, *outcomes, _, reason = row
            counts = ", ".join(f"{n:,} {word}" for n, word in zip(outcomes, _OUTCOMES, strict=True))
            told = f" ({reason})" if reason else f": {read:,} rows, {counts}"
            print(f"{at:%H:%M:%S}  {file}  {state}{told}", flush=True)
    pending = look_at_landing(FileSystem.of(spark), settings)
    if pending.files:
        say(f"{pending.files} files ({pending.bytes:,} bytes) are waiting in landing.")


_OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded", "quarantined")


def quarantine(
    ctx: typer.Context,
    drop: Annotated[
        str | None, typer.Option("--drop", metavar="ID", help="One drop; a beginning will do.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many rows of the drop.", min=1)] = 20,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what was refused: reasons with counts, and with --drop the rows as well."""
    settings = settings_for(ctx, conf)
    from pyspark.sql import functions as F

    from batch.accounts import count_reasons, find_drop, quarantined_rows
    from lake.session import build_session

    spark = build_session(settings, "flo-quarantine")
    rows = quarantined_rows(spark, settings)
    if drop is None:
        print_frame(count_reasons(rows), output)
        return
    account = find_drop(spark, settings, drop)
    own = rows.where(F.col("drop_id") == account["drop_id"])
    say(f"{account['path']}: {account['state']}, {account['rows_quarantined']} rows refused.")
    if output is Format.TABLE:
        print_frame(count_reasons(own).select("reason", "rows"), output)
    print_frame(own.orderBy("row_no").select("row_no", "reasons", "raw").limit(limit), output)
