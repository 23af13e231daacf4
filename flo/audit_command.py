"""``flo audit``: is any file unaccounted for."""

from __future__ import annotations

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=example("flo audit --format csv"))(audit)


def audit(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """List every file that is neither pending nor ingested, duplicate or rejected.

    Exit code 1 if there is one. It may be asked while a stream runs.
    """
    settings = settings_for(ctx, conf, java=False)
    from batch.standing.audit import Audit, audit_files
    from batch.standing.places import read_accounts, take_look
    from flo.asking import OpenLake, ask_lake

    def ask(open_lake: OpenLake) -> Audit:
        lake = open_lake()
        return audit_files(lambda: take_look(lake.files, settings, lambda: read_accounts(lake)))

    found = ask_lake(settings, "flo-audit", ask)
    say(str(found))
    if found.findings or output is not Format.TABLE:
        rows = [(each.path, each.finding, each.says) for each in found.findings]
        print_rows(("path", "finding", "says"), rows, output)
    else:
        say("Every file is accounted for.")
    if found.findings:
        raise typer.Exit(1)
