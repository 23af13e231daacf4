"""Questions to a lake: answered without Java where that can be, and else by a Spark session."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flo.options import prepare_java
from flo.output import say

if TYPE_CHECKING:
    from lake.reading import Lake
    from lake.settings import Settings

T = TypeVar("T")
OpenLake = Callable[[], "Lake"]

_STARTED_ANEW = "FLO_STARTED_ANEW"


def ask_lake(settings: Settings, app: str, question: Callable[[OpenLake], T]) -> T:
    """Put a question; where the reader without Java gives up, put it again to Spark, saying so.

    A reader that stalls is asked once more first, by a fresh process.

    Args:
        settings: where the lake is.
        app: the name of the session, should there be one.
        question: is given what opens the lake, for as many looks as it takes.

    Raises:
        ServiceError: HDFS does not answer.
    """
    from lake.reading import StalledError, UnreadableError

    try:
        return question(lambda: open_native(settings))
    except UnreadableError as reason:
        if isinstance(reason, StalledError):
            _start_anew()
        say(f"Java has to read this lake, which takes longer: {reason}")
    lake = open_in_spark(settings, app)
    return question(lambda: lake)


def _start_anew() -> None:
    """Become this very command once more; do nothing where it is that already, or is no command."""
    command = sys.orig_argv[1:]
    if _STARTED_ANEW in os.environ or not command or Path(command[0]).name != "flo":
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.environ[_STARTED_ANEW] = "1"
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - no shell is wanted


def open_native(settings: Settings) -> Lake:
    """Open a lake without Java, within a tenth of a second.

    Raises:
        UnreadableError: this one cannot be read so.
    """
    from lake.native_files import NativeFiles
    from lake.native_tables import NativeTables
    from lake.reading import Lake

    files = NativeFiles.open(settings)
    return Lake(files, NativeTables(settings, files.uri))


def open_in_spark(settings: Settings, app: str) -> Lake:
    """Open a lake with a Spark session, within ten seconds or so."""
    from lake.fs import FileSystem
    from lake.reading import Lake
    from lake.session import build_session
    from lake.spark_tables import SparkTables

    prepare_java()
    spark = build_session(settings, app, short=True)
    return Lake(FileSystem.of(spark), SparkTables(spark, settings))
