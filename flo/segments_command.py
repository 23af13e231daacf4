"""``flo segments``: customers by recency and frequency."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_frame, say


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=example("flo segments --date 2021-06-01 --format csv"))(segments)


def segments(
    ctx: typer.Context,
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            metavar="YYYY-MM-DD",
            parser=_read_day,
            help="Recency counts back from here [default: two days after the newest order].",
        ),
    ] = None,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Score and segment all customers, replace flo.customer_segments, and print a summary."""
    settings = settings_for(ctx, conf)
    from batch.segments import compute_segments, summarise_segments
    from lake.delta import read_table
    from lake.names import publish_names
    from lake.session import build_session
    from lake.tables import CUSTOMER_SEGMENTS

    spark = build_session(settings, "flo-segments")
    run = compute_segments(spark, settings, day)
    if run.is_first:
        publish_names(spark, settings)
    say(
        f"{CUSTOMER_SEGMENTS} is of version {run.features_version} of the features; "
        f"recency counts back from {run.day}."
    )
    if run.newest > run.day:
        say(f"There are orders after that day, up to {run.newest}: their recency is below 0.")
    table = read_table(spark, settings, CUSTOMER_SEGMENTS)
    print_frame(summarise_segments(table), output)


def _read_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no day; write one like 2021-06-01.") from None
