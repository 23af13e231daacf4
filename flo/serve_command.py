"""``flo serve``: SQL for the tools that analysts have already."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from flo.options import Conf, example, settings_for
from flo.output import say
from lake.errors import ConfigError, NotFoundError

_QUESTION = "SELECT * FROM channel_kpis"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("flo serve", "flo serve --port 10001"))(serve)
    app.command(epilog=example("flo user ada", "flo user ada --remove"))(user)


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
    from batch.questions.access import is_encrypted, require_access
    from batch.questions.serving import choose_port, is_open, serving

    port = choose_port(host, port)
    require_access(settings, host, is_open(host))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(settings, host, port) as server:
        if server.may_write:
            say(f"HDFS would let {server.user} write to the tables; better serve as another user.")
        if is_open(host) and not is_encrypted(settings):
            say(f"What goes to {host}:{port} and back is in clear; docs/security.md has TLS.")
        say(f"Ready at {server.url}, reading as {server.user}; Ctrl-C ends it. For example:")
        say(f"    beeline -u {server.url} -e '{_QUESTION}'")
        server.wait()


def user(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whom `flo serve` is to know.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the user out again.")] = False,
    conf: Conf = None,
) -> None:
    """Give a user of `flo serve` a password: asked for, or a line of standard input."""
    settings = settings_for(ctx, conf, java=False)
    from batch.questions.access import set_user

    if settings.users is None:
        raise ConfigError(
            'No file of users is named: put `users = "users"` into the settings, or set FLO_USERS.'
        )
    password = None if remove else _ask_password()
    was_there = set_user(settings.users, name, password)
    if remove and not was_there:
        raise NotFoundError(f"There is no user {name} in {settings.users}; look at its names.")
    say(f"{name} is {'no longer ' if remove else ''}in {settings.users}.")


def _ask_password() -> str:
    if sys.stdin.isatty():
        password = str(
            typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        )
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise ConfigError(
            "The password is empty; type one, or give it as a line of standard input."
        )
    return password
