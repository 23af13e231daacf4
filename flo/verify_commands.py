"""``flo verify``, ``flo rebuild``, ``flo restore``: do the tables say what the drops say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say

if TYPE_CHECKING:
    from batch.verification.verify import Verification

_COLUMNS = ("check", "table", "what", "rows", "drops")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("flo verify --from-archive"))(verify)
    app.command(epilog=example("flo rebuild --format json"))(rebuild)
    app.command(epilog=example("flo restore"))(restore)


def verify(
    ctx: typer.Context,
    from_archive: Annotated[
        bool,
        typer.Option("--from-archive", help="Also read the archived files again."),
    ] = False,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Recompute features, KPIs and the ledger's sums, and list every difference.

    Exit code 1 if there is one. It may be asked while a stream runs.
    """
    settings = settings_for(ctx, conf)
    from batch.verification.verify import verify as compare
    from lake.session import build_session

    found = compare(build_session(settings, "flo-verify"), settings, from_archive=from_archive)
    if found.differences or output is not Format.TABLE:
        print_rows(_COLUMNS, _rows(found), output)
    _say_found(found)


def _rows(found: Verification) -> list[list[object]]:
    return [[getattr(each, name) for name in _COLUMNS] for each in found.differences]


def _say_found(found: Verification) -> None:
    for note in found.notes:
        say(note)
    say(str(found))
    if found.differences:
        raise typer.Exit(1)


def rebuild(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Recompute the features from the snapshots, and replace in one commit what differs.

    Rows and accounts that are in the other tables twice are there once afterwards.
    """
    settings = settings_for(ctx, conf)
    from batch.verification.rebuild import rebuild as replace
    from lake.session import build_session

    done = replace(build_session(settings, "flo-rebuild"), settings)
    columns = tuple(vars(done))
    print_rows(columns, [[getattr(done, name) for name in columns]], output)
    if not any(getattr(done, name) for name in columns if name != "features_version"):
        say("The tables were right; nothing was written.")


def restore(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Make the stream's tables anew from the archive and the accounts, and verify them.

    Takes over a lake of an older version, or one whose ledger or tables are lost: the accounts are
    in the archive, too. Let no other job run meanwhile. The old tables are kept below replaced/,
    until somebody removes them, and so is what others have added to them. Exit code 1 if the
    archive does not give what the accounts tell (then nothing is changed), or if what
    `flo verify --from-archive` does in the end finds a difference. KPIs and segments are for
    `flo kpis` and `flo segments` to compute.
    """
    settings = settings_for(ctx, conf)
    from batch.restore import restore as make_anew
    from batch.verification.verify import verify as compare
    from lake.session import build_session

    spark = build_session(settings, "flo-restore")
    done = make_anew(spark, settings)
    columns = tuple(vars(done))
    print_rows(columns, [[getattr(done, name) for name in columns]], output)
    found = compare(spark, settings, from_archive=True)
    if found.differences:  # the result is what was made
        print_rows(_COLUMNS, _rows(found), stream=sys.stderr)
    _say_found(found)
