"""The options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flo.output import Format

if TYPE_CHECKING:
    from lake.settings import Settings

Conf = Annotated[
    Path | None,
    typer.Option(
        "--conf", metavar="FILE", help="Settings file [default: conf/local.toml].", dir_okay=False
    ),
]
Output = Annotated[
    Format, typer.Option("--format", metavar="table|csv|json", help="How rows are printed.")
]


def settings_for(ctx: typer.Context, conf: Path | None) -> Settings:
    """Load the settings from ``--conf``, wherever on the command line it stands.

    Every command that has settings comes through here, so this also points the log at standard
    error: what the parts log must not get into the results.

    Raises:
        ConfigError: the file or a setting in it is wrong.
    """
    from flo.logs import configure_logs
    from lake.settings import Settings

    configure_logs()
    return Settings.load(conf or ctx.find_root().obj)
