"""Spark's own word on the query: how long it takes to look for files and to note what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import (
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from streaming.events import Tell, TriggerDone
from streaming.phases import Phase

_PHASES = {
    "latestOffset": Phase.LISTING,
    "walCommit": Phase.OFFSETS,
    "commitOffsets": Phase.COMMIT,
}


class QueryListener(StreamingQueryListener):
    """Passes the query's progress on as events.

    Spark calls it from a thread of its own, a little after the fact; what a query failed of is not
    passed on, as its text may quote a row.
    """

    def __init__(self, tell: Tell) -> None:
        """Tell this listener of ours."""
        self._tell = tell

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 - Spark's name
        """A start; the stream tells that itself."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        """A trigger that is done; none is told where there was nothing to do."""
        took = event.progress.durationMs
        phases = {phase: took[name] / 1000 for name, phase in _PHASES.items() if name in took}
        self._tell(TriggerDone(phases))

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        """An end; the stream tells that itself."""


@contextmanager
def listening(spark: SparkSession, tell: Tell) -> Iterator[None]:
    """Listen to the queries of a session for the time of the block."""
    listener = QueryListener(tell)
    spark.streams.addListener(listener)
    try:
        yield
    finally:
        with suppress(Py4JError, OSError):  # the JVM may have gone, and its listeners with it
            spark.streams.removeListener(listener)
