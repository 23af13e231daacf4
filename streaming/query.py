"""A running query, whose failure is what the batch raised and not Java's wrapping of it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from pyspark.errors import PySparkException
from pyspark.sql.streaming.query import StreamingQuery

log = structlog.get_logger()


class Stopping(Exception):  # noqa: N818 - a request, not an error
    """A batch was planned after the request to stop: it is left for the next start."""


class RunningQuery:
    """One start of the stream's query."""

    def __init__(self, query: StreamingQuery, failures: Sequence[BaseException]) -> None:
        """Watch a query; its batches put what they raise into ``failures``."""
        self._query = query
        self._failures = failures

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long, and tell whether it has come.

        Raises:
            BaseException: what a batch raised, or what Spark says where none did.
        """
        try:
            # Spark takes a fraction of a second, whatever its annotation says.
            return bool(self._query.awaitTermination(seconds))  # type: ignore[arg-type]
        except PySparkException:
            if not self._failures:
                raise
            if isinstance(self._failures[0], Stopping):
                return True
            raise self._failures[0] from None

    def finish(self) -> None:
        """Let the batch in hand finish, its commit included; then end the query."""
        log.info("stopping", why="asked to; finishing the batch in hand")
        while self._query.isActive and self._query.status["isTriggerActive"]:
            if self.wait(0.1):
                return
        self._query.stop()
