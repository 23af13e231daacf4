"""``flo sandbox``: the real single-node HDFS (and YARN) on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say

if TYPE_CHECKING:
    from sandbox import Status

COLUMNS = ("service", "state", "pid", "address", "log")

group = typer.Typer(
    name="sandbox",
    help="The real single-node HDFS (and YARN) on this machine.",
    epilog=example("flo sandbox up"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group)


@group.command(epilog=example("flo sandbox up --yarn"))
def up(
    ctx: typer.Context,
    yarn: Annotated[bool, typer.Option("--yarn", help="Start YARN, too.")] = False,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Start HDFS, wait until it is ready, and write the clients' configuration."""
    from sandbox import Sandbox

    sandbox = Sandbox(settings_for(ctx, conf, java=False).var)
    say("Starting the sandbox; a first start takes a little longer.")
    status = sandbox.up(yarn=yarn)
    _print(status, output)
    say(f"HDFS is ready at {status.fs}. Its configuration is in {status.conf}.")


@group.command(epilog=example("flo sandbox down"))
def down(ctx: typer.Context, conf: Conf = None) -> None:
    """Stop the daemons; what they hold stays."""
    from sandbox import Sandbox

    Sandbox(settings_for(ctx, conf, java=False).var).down()
    say("The sandbox is down; its data stays.")


@group.command(epilog=example("flo sandbox status --format json"))
def status(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Show the daemons, their ports and their logs."""
    from sandbox import Sandbox

    found = Sandbox(settings_for(ctx, conf, java=False).var).status()
    _print(found, output)
    if not found.ready:
        say("The sandbox is not ready; start it with `flo sandbox up`.")


@group.command(epilog=example("flo sandbox wipe"))
def wipe(ctx: typer.Context, conf: Conf = None) -> None:
    """Stop the daemons and delete all that they hold."""
    from sandbox import Sandbox

    settings = settings_for(ctx, conf, java=False)
    Sandbox(settings.var).wipe()
    say(f"The sandbox under {settings.var} is gone, with its data.")


def _print(status: Status, output: Format) -> None:
    rows = []
    for daemon in status.daemons:
        state = "ready" if daemon.ready else "starting" if daemon.running else "down"
        ports = ", ".join(f"{name} {port}" for name, port in daemon.ports.items())
        rows.append((daemon.title, state, daemon.pid, ports, str(daemon.log)))
    print_rows(COLUMNS, rows, output)
