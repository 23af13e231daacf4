"""``flo report``: one page about customers, channels and drops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flo.options import Conf, example, settings_for
from flo.output import say


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=example("flo report --out report.html"))(report)


def report(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.", dir_okay=False)
    ],
    conf: Conf = None,
) -> None:
    """Write a report as one HTML file that needs nothing else: KPIs, drops, segments, quality."""
    from batch.report import check_target

    check_target(out)
    settings = settings_for(ctx, conf)
    from batch.report import write_report
    from lake.session import build_session

    figures = write_report(build_session(settings, "flo-report"), settings, out)
    if figures.drops_since_kpis:
        say("The KPIs in it are older than the newest drop; `flo kpis` brings them up to date.")
    say(f"The report is in {out}.")
