"""``flo init``, ``flo stream`` and ``flo stop``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from flo.options import Conf, example, settings_for
from flo.output import say
from lake.errors import TransientError

STREAM_JOB = Path(__file__).with_name("stream_job.py")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("flo init"))(init)
    app.command(epilog=example("flo stream --kpis", "flo stream --once"))(stream)
    app.command(epilog=example("flo stop --wait 300"))(stop)


def init(ctx: typer.Context, conf: Conf = None) -> None:
    """Make the directories and tables; safe to repeat."""
    settings = settings_for(ctx, conf)
    from checkpoints.kept_accounts import require_all_tables
    from lake.initialise import initialise
    from lake.names import publish_names
    from lake.session import build_session

    spark = build_session(settings, "flo-init", short=True)
    require_all_tables(spark, settings)
    made = initialise(spark, settings)
    names = publish_names(spark, settings)
    say(f"Ready under {settings.path()}: {len(made)} tables made, {len(names)} names published.")


def stream(
    ctx: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Take in what is there now, then end.")
    ] = False,
    kpis: Annotated[
        bool, typer.Option("--kpis", help="Compute the KPIs after each batch.")
    ] = False,
    conf: Conf = None,
) -> None:
    """Run the stream through spark-submit, in the foreground, until told to stop.

    With the master `yarn` it runs in the cluster, and goes on without this command.
    """
    settings = settings_for(ctx, conf)
    from lake.contract import load_contract
    from lake.session import prepare_environment, require_service, spark_submit

    load_contract(settings.contract)  # a mistake in it is told before Spark starts
    named = conf or ctx.find_root().obj
    flags = [*(["--once"] if once else []), *(["--kpis"] if kpis else [])]
    job = [str(STREAM_JOB), *(["--conf", str(Path(named).resolve())] if named else []), *flags]
    if settings.master == "yarn":
        from flo.dist import prepare_submission

        job = [*prepare_submission(named), STREAM_JOB.name, *flags]
    prepare_environment(settings)
    require_service(settings)
    command = [*spark_submit(settings), *job]
    # spark-submit passes on what Python says to standard error as standard output.
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # This process becomes spark-submit: signals and the exit code need no go-between.
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def stop(
    ctx: typer.Context,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the end.", min=0)] = 120.0,
    conf: Conf = None,
) -> None:
    """Ask the running stream, wherever it runs, to finish its batch and end."""
    settings = settings_for(ctx, conf)
    from checkpoints.lock import StreamLock
    from lake.session import open_file_system
    from streaming.stopping import ask_to_stop

    files = open_file_system(settings)
    lock = StreamLock(files, settings)
    holder = lock.live_holder()
    if holder is None:
        say("No stream is running.")
        return
    ask_to_stop(files, settings)
    say(f"Asked {holder} to end.")
    until = time.monotonic() + wait
    while lock.live_holder() is not None:
        if time.monotonic() > until:
            raise TransientError(
                f"The stream has not ended within {wait:.0f} s; it will when its batch is done."
            )
        time.sleep(0.2)
    say("The stream has ended.")
