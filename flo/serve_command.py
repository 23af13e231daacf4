"""``flo serve``: SQL for the tools that analysts have already."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from flo.options import Conf, example, settings_for
from flo.output import say

_QUESTION = "SELECT * FROM channel_kpis"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog=example("flo serve", "flo serve --port 10001"))(serve)


def serve(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen here; this machine alone by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port; 0 chooses a free one.", min=0, max=65535)
    ] = 10000,
    conf: Conf = None,
) -> None:
    """Answer SQL over JDBC and ODBC until Ctrl-C, and change nothing."""
    settings = settings_for(ctx, conf)
    from batch.questions.serving import choose_port, is_open, serving

    port = choose_port(host, port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(settings, host, port) as server:
        if server.may_write:
            say(f"HDFS would let {server.user} write to the tables; better serve as another user.")
        if is_open(host):
            say(f"Whoever reaches {host}:{port} may read all tables, personal data included.")
        say(f"Ready at {server.url}, reading as {server.user}; Ctrl-C ends it. For example:")
        say(f"    beeline -u {server.url} -e '{_QUESTION}'")
        server.wait()
