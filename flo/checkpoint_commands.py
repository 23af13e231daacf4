"""``flo checkpoint``: where the stream stands, and a fresh start after damage."""

from __future__ import annotations

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_rows, say

group = typer.Typer(
    name="checkpoint",
    help="Where the stream stands, and a fresh checkpoint after damage.",
    epilog=example("flo checkpoint show"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(group)


@group.command(epilog=example("flo checkpoint show --format json"))
def show(ctx: typer.Context, conf: Conf = None, output: Output = Format.TABLE) -> None:
    """Show batches planned and committed, files seen and pending, and whether it is sound."""
    settings = settings_for(ctx, conf)
    from batch.standing.accounts import look_at_landing
    from checkpoints.standing import describe_checkpoint
    from lake.session import open_file_system

    files = open_file_system(settings)
    pending = look_at_landing(files, settings)
    rows = [
        *describe_checkpoint(files, settings),
        ("pending files", pending.files),
        ("pending bytes", pending.bytes),
    ]
    print_rows(("what", "value"), rows, output)


@group.command(epilog=example("flo stop && flo checkpoint rebuild"))
def rebuild(ctx: typer.Context, conf: Conf = None) -> None:
    """Set the checkpoint aside, for a fresh one at the next start; refused while a stream runs."""
    settings = settings_for(ctx, conf)
    from batch.standing.accounts import look_at_landing
    from checkpoints.rebuilding import rebuild_checkpoint
    from lake.session import open_file_system

    files = open_file_system(settings)
    aside = rebuild_checkpoint(files, settings)
    say(f"The former checkpoint is {aside} now." if aside else "There was no checkpoint.")
    pending = look_at_landing(files, settings)
    say(
        "The next start of the stream begins a fresh one. It looks at all of landing and takes in "
        f"what the ledger does not know: {pending.files} files ({pending.bytes:,} bytes) wait."
    )
