"""``flo drop``: put files into landing, whole or not at all, or say what would follow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say
from lake.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from lake.fs import FileSystem
    from lake.settings import Settings

_DROP = example("flo drop --dry-run customers.csv", "flo drop customers.csv changes.csv.gz")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=_DROP)(drop)


def drop(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Local CSV files.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what one file would change; write nothing.")
    ] = False,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Put files into landing: copied under a hidden name, then renamed.

    A file gets the time at which it is dropped; nothing in landing is ever overwritten.
    """
    if dry_run and len(files) > 1:
        raise ConfigError(f"--dry-run takes one file, not {len(files)}; ask for each by itself.")
    for file in files:
        _check(file)
    settings = settings_for(ctx, conf)
    if dry_run:
        _dry_run(settings, files[0], output)
        return
    from lake.session import open_file_system

    remote = open_file_system(settings)
    if not remote.exists(settings.landing):
        raise NotFoundError(f"There is no directory {settings.landing}; run `flo init` first.")
    rows = [(str(file), *_put(remote, settings, file)) for file in _watched(files)]
    print_rows(("file", "landed_as", "bytes"), rows, output)


def landing_name(name: str, taken: set[str], now: datetime) -> str:
    """The name that a file gets in landing: its own, or with the time where that is taken."""
    from lake.paths import marked_name

    if name not in taken:
        return name
    return marked_name(name, f"_{now:%Y%m%dT%H%M%S%f}")


def _dry_run(settings: Settings, file: Path, output: Format) -> None:
    from batch.dry_run import dry_run, quiet_settings
    from batch.standing.accounts import look_at_landing
    from flo.dry_run_output import print_dry_run
    from lake.contract import load_contract
    from lake.fs import FileSystem
    from lake.session import build_session

    contract = load_contract(settings.contract)
    spark = build_session(quiet_settings(settings), "flo-dry-run")
    run = dry_run(spark, settings, contract, file, datetime.now(UTC))
    waiting = look_at_landing(FileSystem.of(spark), settings).files
    if waiting:
        say(f"{waiting} files wait in landing and come first, which may change this.")
    print_dry_run(f"{file}", run, output)


def _check(file: Path) -> None:
    from streaming.source import is_drop_name

    if file.is_dir():
        raise ConfigError(f"{file} is a directory; name the files in it.")
    if not file.is_file():
        raise NotFoundError(f"There is no file {file}; check the path.")
    if not is_drop_name(file.name):
        raise ConfigError(
            f"{file} is no drop: its name must end in .csv or .csv.gz "
            "and begin with neither '_' nor '.'; rename it."
        )


def _put(remote: FileSystem, settings: Settings, file: Path) -> tuple[str, int]:
    """Copy one file beside its place, under a name that nobody reads, and rename it."""
    now = datetime.now(UTC)
    taken = {info.name for info in remote.list(settings.landing)}
    name = landing_name(file.name, taken, now)
    hidden = f"{settings.landing}/._{uuid4().hex}._COPYING_"  # a long name has no room for more
    try:
        remote.upload(file, hidden)
        remote.rename(hidden, f"{settings.landing}/{name}")
    except BaseException:
        remote.delete(hidden)
        raise
    return f"{settings.landing}/{name}", file.stat().st_size


def _watched(files: list[Path]) -> Iterator[Path]:
    """Show a bar of bytes on a terminal; elsewhere the printed rows are enough."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from files
        return
    what, done = bars.TextColumn("{task.description}"), bars.DownloadColumn()
    columns = (what, bars.BarColumn(), done, bars.TransferSpeedColumn())
    with bars.Progress(*columns, console=console) as progress:
        task = progress.add_task("Dropping", total=sum(file.stat().st_size for file in files))
        for file in files:
            progress.update(task, description=f"Dropping {file.name}")
            yield file
            progress.advance(task, file.stat().st_size)
