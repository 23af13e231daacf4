"""``flo status``, ``flo watch``, ``flo drops`` and ``flo quarantine``: what became of drops."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_frame, print_rows, say
from lake.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lake.settings import Settings

_QUARANTINE = example(
    "flo quarantine",
    "flo quarantine --drop 3fb1c09e77a2 --export to_mend.csv",
)


class DropState(StrEnum):
    """What can become of a drop."""

    INGESTED = "ingested"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("flo status", "flo status --format json"))(status)
    app.command(epilog=example("flo watch --seconds 5"))(watch)
    app.command(epilog=example("flo drops --state rejected --limit 5"))(drops)
    app.command(epilog=_QUARANTINE)(quarantine)


def status(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Show on one screen how all stands, and what has to be done, if anything."""
    settings = settings_for(ctx, conf, java=False)
    from batch.standing.advice import advise
    from batch.standing.lake import look_at_lake
    from flo.asking import ask_lake
    from flo.status_output import print_status, status_rows

    at = ask_lake(settings, "flo-status", lambda open_lake: look_at_lake(open_lake(), settings))
    if output is Format.TABLE:
        print_status(at, settings, advise(at))
    else:
        print_rows(("what", "value"), status_rows(at, settings, advise(at)), output)


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
    settings = settings_for(ctx, conf, java=False)
    from batch.standing.accounts import SHORT, newest_accounts, shorten
    from batch.standing.places import look_for_troubles
    from flo.asking import OpenLake, ask_lake

    question = newest_accounts(state=state.value if state else None, limit=limit)

    def ask(open_lake: OpenLake) -> tuple[list[str], list[dict[str, Any]]]:
        lake = open_lake()
        columns, rows = lake.ask(question)
        accounts = list(rows)
        for trouble in look_for_troubles(lake.files, settings):
            say(trouble.says)
        return columns, accounts

    columns, accounts = ask_lake(settings, "flo-drops", ask)
    if output is Format.TABLE:
        columns, accounts = list(SHORT), [shorten(account) for account in accounts]
    print_rows(columns, [list(account.values()) for account in accounts], output)


def watch(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Option(help="Pause between two looks.", min=0.5)] = 2.0,
    conf: Conf = None,
) -> None:
    """Show the status live, with the drops flowing through, until Ctrl-C.

    Where the output is no terminal, print a line for each drop as it is accounted for.
    """
    settings = settings_for(ctx, conf, java=False)
    from flo.asking import ask_lake
    from flo.watch_output import watch_lake

    ask_lake(settings, "flo-watch", lambda open_lake: watch_lake(open_lake, settings, seconds))


def quarantine(
    ctx: typer.Context,
    drop: Annotated[
        str | None, typer.Option("--drop", metavar="ID", help="One drop; a beginning will do.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many rows of the drop.", min=1)] = 20,
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all its rows as a CSV to mend and drop again."),
    ] = None,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Show what was refused: reasons with counts, and with --drop the rows as well."""
    if export is not None:
        _check_export(drop, export)
    settings = settings_for(ctx, conf)
    from pyspark.sql import functions as F

    from batch.standing.accounts import count_reasons, find_drop, quarantined_rows
    from lake.session import build_session

    spark = build_session(settings, "flo-quarantine", short=True)
    rows = quarantined_rows(spark, settings)
    if drop is None:
        print_frame(count_reasons(rows), output)
        return
    account = find_drop(spark, settings, drop)
    own = rows.where(F.col("drop_id") == account["drop_id"])
    say(f"{account['path']}: {account['state']}, {account['rows_quarantined']} rows refused.")
    if export is not None:
        _export(settings, account, own, export)
        return
    if output is Format.TABLE:
        print_frame(count_reasons(own).select("reason", "rows"), output)
    print_frame(own.orderBy("row_no").select("row_no", "reasons", "raw").limit(limit), output)


def _check_export(drop: str | None, target: Path) -> None:
    """Find out what stands against an export, before Spark starts."""
    from batch.mending import check_target

    if drop is None:
        raise ConfigError(
            "One file has one header, which fits one drop: name it with --drop; "
            "`flo quarantine` lists those that have refused rows."
        )
    check_target(target)


def _export(settings: Settings, account: dict[str, Any], own: DataFrame, target: Path) -> None:
    """Write a drop's refused rows, and say what to know before mending them."""
    from batch.mending import Reading, write_export
    from lake.contract import load_contract

    if not account["rows_quarantined"]:
        raise NotFoundError(
            f"The drop {account['drop_id'][:12]} has no row in quarantine, so nothing was written; "
            "`flo drops` says what became of it."
        )
    rows = own.orderBy("row_no").select("raw", "reasons").toLocalIterator()
    reading = Reading.of(account, load_contract(settings.contract))
    done = write_export(((row["raw"], row["reasons"]) for row in rows), reading, target)
    say(
        f"{done.rows:,} rows are in {target}, with personal data in clear, readable by you alone. "
        "Mend them, drop the file with `flo drop`, then delete it."
    )
    if done.unsplit:
        say(f"{done.unsplit:,} of them could not be split: each is one cell with its whole text.")
    if done.apostrophes:
        say(
            f"{done.apostrophes:,} cells have an apostrophe in front, so that no spreadsheet runs "
            "them as formulas; the column _reasons says which: take it off before dropping."
        )
