"""``flo``: the command line of FLO Omnichannel."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from flo import (
    audit_command,
    data_commands,
    drop_commands,
    ledger_commands,
    maintain_command,
    query_commands,
    report_command,
    sandbox_commands,
    segments_command,
    serve_command,
    stream_commands,
    verify_commands,
)
from flo.options import Conf, example
from flo.output import say

app = typer.Typer(
    name="flo",
    help="Customer CSV drops in HDFS, upserted into Delta by a Spark stream, answered as KPIs.",
    epilog=example(
        "flo sandbox up && flo init",
        "flo drop customers.csv && flo stream --once && flo kpis",
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    ctx: typer.Context,
    conf: Conf = None,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace of an error, too [FLO_DEBUG=1].")
    ] = False,
) -> None:
    """Customer CSV drops in HDFS, upserted into Delta by a Spark stream, answered as KPIs."""
    ctx.obj = conf
    if debug:
        # The environment, so that processes started from here follow.
        os.environ["FLO_DEBUG"] = "1"


for _group in (
    sandbox_commands,
    data_commands,
    stream_commands,
    drop_commands,
    ledger_commands,
    audit_command,
    verify_commands,
    maintain_command,
    query_commands,
    segments_command,
    report_command,
    serve_command,
):
    _group.register(app)


def main() -> None:
    """Run one command; an error is one sentence on standard error and an exit code.

    0 done, 1 a check found something, 2 wrong usage or settings, 3 a service could not be
    reached (an input or output error of this machine counts as one), 130 interrupted.
    """
    try:
        app()
    except Exception as error:
        from flo.failures import explain

        failure = explain(error)
        if os.environ.get("FLO_DEBUG", "0") not in ("", "0"):
            import traceback

            traceback.print_exception(error)
        say(failure.message)
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
