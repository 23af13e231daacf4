"""``flo generate`` and ``flo profile``: files before they are dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flo.options import Conf, Output, example, prepare_java, settings_for
from flo.output import Format, print_rows, say
from lake.errors import ConfigError, NotFoundError
from lake.scratch import scratch

if TYPE_CHECKING:
    from lake.settings import Settings

_GENERATE = example(
    "flo generate --out samples --customers 1000 --drops 2 --rows 50",
    "flo generate --out samples --mode flo100k",
)


class Mode(StrEnum):
    """What `flo generate` writes."""

    DROPS = "drops"
    FLO100K = "flo100k"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=_GENERATE)(generate)
    app.command(epilog=example("flo profile customers.csv"))(profile)


def generate(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the files go.", file_okay=False)
    ],
    mode: Annotated[
        Mode, typer.Option("--mode", metavar="drops|flo100k", help="What is written.")
    ] = Mode.DROPS,
    customers: Annotated[int, typer.Option(help="Customers in the first drop.", min=1)] = 10_000,
    drops: Annotated[int, typer.Option(help="How many drops.", min=1)] = 3,
    rows: Annotated[int, typer.Option(help="Rows in each later drop.", min=1)] = 1_000,
    seed: Annotated[int, typer.Option(help="Other seeds give other customers.")] = 1,
    layout: Annotated[str, typer.Option(help="V1, V2, V7 or mixed.")] = "V7",
    output: Output = Format.TABLE,
) -> None:
    """Write FLO-like files; the same options give the same bytes everywhere.

    The mode `flo100k` writes one file with the figures that are published for the real one.
    """
    import samples

    try:
        if mode is Mode.FLO100K:
            paths = samples.write_flo100k(out)
        else:
            paths = samples.write_drops(
                out, customers=customers, drops=drops, rows=rows, seed=seed, layout=layout
            )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    print_rows(("file", "bytes"), [(str(path), path.stat().st_size) for path in paths], output)


def profile(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A local file, or one in HDFS.")],
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Look at a CSV file: first rows, counts, types, missing values, repeated customers."""
    settings = settings_for(ctx, conf, java=False)
    from batch.csv_profile.first_look import look_at
    from flo.csv_file import open_csv
    from flo.profile_output import print_profile
    from lake.contract import load_contract

    contract = load_contract(settings.contract)
    with _local_copy(file, settings) as (path, place):
        csv = open_csv(path, Path(file).name, contract, settings.max_line_bytes)
        look = look_at(csv.header, csv.known, csv.batches())
    print_profile(f"{file}", place, csv, look, output)


@contextmanager
def _local_copy(file: str, settings: Settings) -> Iterator[tuple[Path, str]]:
    """Give a local path to a file and say where it is: here first, then in HDFS."""
    local = Path(file.removeprefix("file://"))
    if "://" not in file or file.startswith("file://"):
        if local.is_dir():
            raise ConfigError(f"{file} is a directory; name a file in it.")
        if local.exists():
            yield local, "local"
            return
        if file.startswith("file://"):
            raise NotFoundError(f"There is no file {file}.")
    from lake.session import open_file_system

    say(
        f"There is no local file {file}; looking in HDFS." if "://" not in file else "Opening HDFS."
    )
    prepare_java()
    remote = open_file_system(settings)
    found = remote.status(file)
    if found is None:
        raise NotFoundError(f"There is no file {file}, neither here nor in HDFS.")
    if found.is_dir:
        raise ConfigError(f"{file} is a directory in HDFS; name a file in it.")
    with scratch("profile") as folder:
        copy = folder / "copy"
        remote.download(file, copy)
        yield copy, "hdfs"
