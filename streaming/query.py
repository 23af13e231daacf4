"""A running query, whose failure is what a round raised and not Java's wrapping of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from checkpoints.query_checkpoint import checkpoint_path
from lake.errors import LockedError
from lake.settings import Settings
from streaming.source import landed_files

log = structlog.get_logger()

FINISHING = "asked to; finishing the batch in hand"
"""Why a stream that was asked to end has not ended yet."""


class QueryFailed(Exception):  # noqa: N818 - Spark's failure, which is its cause
    """The query itself failed, and no round of ours.

    Attributes:
        cause: what Spark says.
        at_start: it had not come to wait for files yet: its checkpoint may be of no use.
    """

    def __init__(self, cause: BaseException, *, at_start: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.at_start = at_start


class BeginAnew(Exception):  # noqa: N818 - a way, not an error
    """The checkpoint was set aside, on which the query could not start: try again."""


class RunningQuery:
    """One start of the stream's query.

    Attributes:
        has_waited: whether it has come to wait for files, on its checkpoint as it is.
    """

    def __init__(
        self,
        query: StreamingQuery,
        failures: Sequence[BaseException],
        tend: Callable[[], object],
    ) -> None:
        """Watch a query.

        Args:
            query: it runs.
            failures: its rounds put there what they raise.
            tend: called now and then where a round has to be waited for.
        """
        self._query = query
        self._failures = failures
        self._tend = tend
        self.has_waited = False

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so long, and tell whether it has come.

        Raises:
            BaseException: what a round raised.
            QueryFailed: what Spark says where none did.
        """
        try:
            # Spark takes a fraction of a second, whatever its annotation says.
            has_ended = bool(self._query.awaitTermination(seconds))  # type: ignore[arg-type]
        except PySparkException as error:
            if self._failures:
                raise self._failures[0] from None
            raise QueryFailed(error, at_start=not self.has_waited) from error
        self.has_waited |= self._query.status["message"].startswith("Waiting")
        return has_ended

    @property
    def idle(self) -> bool:
        """Whether it runs, and waits for files."""
        return self._query.isActive and not self._query.status["isTriggerActive"]

    def finish(self) -> None:
        """Let the batch in hand finish, its commit included; then end the query."""
        log.info("stopping", why=FINISHING)
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
            self._tend()
        self._query.stop()


def start_query(
    spark: SparkSession,
    settings: Settings,
    call: Callable[[SparkSession], None],
    tend: Callable[[], object],
) -> RunningQuery:
    """Start the query that wakes the stream up when there are new files.

    Args:
        spark: a session for it.
        settings: where landing and checkpoint are.
        call: called with the session of the batch; what it raises ends the query.
        tend: see :class:`RunningQuery`.

    Raises:
        QueryFailed: Spark does not start it.
    """
    failures: list[BaseException] = []

    def take(frame: DataFrame, _: int) -> None:
        try:
            call(frame.sparkSession)
        except BaseException as error:
            failures.append(error)
            raise

    writer = (
        landed_files(spark, settings)
        .writeStream.queryName("flo")
        .option("checkpointLocation", checkpoint_path(settings))
        .foreachBatch(take)
        .trigger(processingTime=f"{settings.trigger_seconds} seconds")
    )
    try:
        return RunningQuery(writer.start(), failures, tend)
    except (PySparkException, Py4JError) as error:
        raise QueryFailed(error, at_start=True) from error
