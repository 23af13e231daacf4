"""The options that many commands share."""

from __future__ import annotations

import os
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


def example(*lines: str) -> str:
    """Write how a command is typed, for the end of its help: a line each, wrapped nowhere."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def settings_for(ctx: typer.Context, conf: Path | None, *, java: bool = True) -> Settings:
    """Load the settings from ``--conf``, wherever on the command line it stands.

    Every command that has settings comes through here, so this also points the log at standard
    error: what the parts log must not get into the results.

    Args:
        ctx: of the command.
        conf: what the command itself was given.
        java: whether it starts Java.

    Raises:
        ConfigError: the file or a setting in it is wrong.
        SandboxError: it needs Java, and there is none.
    """
    from flo.logs import configure_logs
    from lake.settings import Settings

    configure_logs()
    settings = Settings.load(conf or ctx.find_root().obj)
    configure_logs(settings.log_format)
    if java:
        prepare_java()
    return settings


def prepare_java() -> None:
    """Let JAVA_HOME name a Java that Spark runs on, for its scripts, and keep Py4J from logging.

    They would take the Java that `make setup` chose, even where it is gone by now.

    Raises:
        SandboxError: this machine has no Java 17 or 21; the message says what was found instead.
    """
    from flo.failures import hush_py4j
    from lake.settings import PROJECT
    from sandbox.errors import SandboxError
    from sandbox.java import SUPPORTED, find_java, version_of

    try:
        home = find_java()
    except SandboxError:
        chosen = PROJECT / ".jars" / "java_home"
        home = Path(chosen.read_text("utf-8").strip()) if chosen.is_file() else Path()
        if version_of(home) not in SUPPORTED:
            raise
    os.environ["JAVA_HOME"] = str(home)
    hush_py4j()
