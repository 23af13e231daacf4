"""A running query, whose failure is what the batch raised and not Java's wrapping of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog
from pyspark.errors import PySparkException
from pyspark.sql.streaming.query import StreamingQuery

from lake.errors import LockedError

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

    @property
    def idle(self) -> bool:
        """Whether it runs, and waits for files."""
        return self._query.isActive and not self._query.status["isTriggerActive"]

    def finish(self) -> None:
        """Let the batch in hand finish, its commit included; then end the query."""
        log.info("stopping", why="asked to; finishing the batch in hand")
        self._end()

    def __enter__(self) -> RunningQuery:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """See that nothing of it runs on, whatever its batch in hand comes to.

        The next start recovers what a batch has left, so no batch may be in hand then. Where the
        tables are another stream's by now there is no next start: the program ends at once.
        """
        if isinstance(error, LockedError):
            return
        with suppress(Exception):
            self._end()

    def _end(self) -> None:
        while self._query.isActive and self._query.status["isTriggerActive"]:
            if self.wait(0.1):
                return
        self._query.stop()
