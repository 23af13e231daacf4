"""Questions to a lake: answered without Java where that can be, and else by a Spark session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from flo.options import prepare_java
from flo.output import say

if TYPE_CHECKING:
    from lake.reading import Lake
    from lake.settings import Settings

T = TypeVar("T")
OpenLake = Callable[[], "Lake"]


def ask_lake(settings: Settings, app: str, question: Callable[[OpenLake], T]) -> T:
    """Put a question; where the reader without Java gives up, put it again to Spark, saying so.

    Args:
        settings: where the lake is.
        app: the name of the session, should there be one.
        question: is given what opens the lake, for as many looks as it takes.

    Raises:
        ServiceError: HDFS does not answer.
    """
    from lake.reading import UnreadableError

    try:
        return question(lambda: open_native(settings))
    except UnreadableError as reason:
        say(f"Java has to read this lake, which takes longer: {reason}")
    lake = open_in_spark(settings, app)
    return question(lambda: lake)


def open_native(settings: Settings) -> Lake:
    """Open a lake without Java, within a tenth of a second.

    Raises:
        UnreadableError: this one cannot be read so.
    """
    from lake.native_files import NativeFiles
    from lake.native_tables import NativeTables
    from lake.reading import Lake

    return Lake(NativeFiles.open(settings), NativeTables(settings))


def open_in_spark(settings: Settings, app: str) -> Lake:
    """Open a lake with a Spark session, within ten seconds or so."""
    from lake.fs import FileSystem
    from lake.reading import Lake
    from lake.session import build_session
    from lake.spark_tables import SparkTables

    prepare_java()
    spark = build_session(settings, app, short=True)
    return Lake(FileSystem.of(spark), SparkTables(spark, settings))
