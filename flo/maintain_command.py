"""``flo maintain``: upkeep of the tables."""

from __future__ import annotations

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=example("flo maintain --format csv"))(maintain)


def maintain(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Compact the tables, remove files older than keep_days, checkpoint their logs.

    It may run beside a stream, which does what it needs by itself.
    """
    settings = settings_for(ctx, conf)
    from batch.upkeep.maintain import Upkept
    from batch.upkeep.maintain import maintain as keep_up
    from lake.session import build_session

    done = keep_up(build_session(settings, "flo-maintain"), settings)
    columns = [name for name in Upkept.__annotations__ if name != "note"]
    print_rows(columns, [[getattr(each, name) for name in columns] for each in done], output)
    for each in done:
        if each.note:
            say(each.note)
