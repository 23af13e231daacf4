"""Run the query until told to stop: recover, retry what passes, sweep, and end cleanly."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from checkpoints.lock import StreamLock
from checkpoints.rebuilding import open_checkpoint
from lake.causes import recognise, tell, transient
from lake.contract import Contract
from lake.errors import FloError, LockedError, ServiceError
from lake.failpoint import failpoint
from lake.fence import Fence
from lake.fs import FileInfo, FileSystem
from lake.scratch import scratch
from lake.settings import Settings
from streaming.events import BatchDone, LandingSeen, Retrying, StreamBegan, Tell, tell_nobody
from streaming.patience import Patience
from streaming.phases import timed_phases
from streaming.processor import Processor
from streaming.query import RunningQuery, Stopping
from streaming.source import drops_in_landing, landed_files
from streaming.stopping import StopRequest
from streaming.sweep import find_deferred, sweep

log = structlog.get_logger()

AfterBatch = Callable[[SparkSession], None]

_QUIET_SECONDS = 60
"""A query that has waited for files for so long is well, though it has had no batch."""


class Supervisor:
    """Keeps one stream running on the landing directory."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        contract: Contract,
        *,
        once: bool = False,
        after_batch: AfterBatch | None = None,
        tell: Tell = tell_nobody,
    ) -> None:
        """Prepare; nothing runs before :meth:`run`, which tells ``tell`` what happens."""
        self._spark = spark
        self._settings = settings
        self._contract = contract
        self._once = once
        self._after_batch = after_batch
        self._tell = tell
        self._files = FileSystem.of(spark)
        self._lock = StreamLock(self._files, settings)
        self._stop = StopRequest(self._files, settings)
        self._seen: set[str] = set()
        self._patience = Patience(settings.retry_seconds)
        self._locked = False
        self._taken = False
        self._next_look = 0.0

    @property
    def stop(self) -> StopRequest:
        """How this stream is told to end."""
        return self._stop

    def run(self) -> int:
        """Run until told to stop (or, with ``once``, until landing is drained).

        Returns:
            The exit code: 0, or 130 where the end was asked for with Ctrl-C.

        Raises:
            LockedError: another stream is running.
            ServiceError: transient trouble lasted longer than ``retry_seconds``.
        """
        try:
            self._run_with_retries(self._stop)
        finally:
            self._leave()
        log.info("stopped")
        return 130 if self._stop.interrupted else 0

    def _run_with_retries(self, stop: StopRequest) -> None:
        """Start the query anew after transient trouble, with growing pauses."""
        while not stop:
            try:
                self._take_lock()
                self._run_query(stop)
                return
            except (FloError, PySparkException, Py4JError, OSError) as error:
                trouble = self._lost() or recognise(error, "The stream cannot work") or error
                if not transient(trouble):
                    raise trouble from None
                self._bear(trouble, stop)

    def _lost(self) -> LockedError | None:
        """Tell whether the lock is another stream's by now: any trouble may come of that."""
        try:
            if self._locked:
                self._lock.confirm()
        except LockedError as lost:
            return lost
        except FloError:
            return None  # nobody can tell just now
        return None

    def _bear(self, trouble: BaseException, stop: StopRequest) -> None:
        """Pause after transient trouble, unless it has lasted too long, or the end is asked for."""
        if stop:
            log.warning("ending in trouble", why=tell(trouble), next="a start goes on")
            return
        pause = self._patience.pause()
        if pause is None:
            raise ServiceError(
                f"The stream gave up after {self._patience.seconds:.0f} s of trouble "
                f"({tell(trouble)}). Nothing is lost: start it again when it is over."
            ) from None
        self._tell(Retrying(pause))
        log.warning("retrying", seconds=pause, why=tell(trouble))
        _wait(pause, stop)

    def _take_lock(self) -> None:
        """Take the lock, or see after trouble that nobody has taken it over meanwhile."""
        if self._locked:
            self._lock.refresh()
            return
        application = self._spark.sparkContext.applicationId
        self._lock.acquire(application)
        self._locked = True
        self._tell(StreamBegan(application))
        # A marker that is there already was meant for an earlier stream.
        self._stop.clear_marker()

    def _leave(self) -> None:
        """Give the lock back; in trouble it stays, and is a dead holder's as soon as this ends."""
        if not self._locked:
            return
        try:
            self._lock.confirm()
            self._stop.clear_marker()
            self._lock.release()
        except LockedError:
            return  # the marker, too, is another stream's by now
        except FloError as error:
            log.warning("lock not given back", why=str(error), next="a start takes it over")

    def _run_query(self, stop: StopRequest) -> None:
        with scratch("spool") as spool:
            began = time.monotonic()
            fence = Fence.raised(self._spark, self._settings, self._lock.confirm)
            log.info("fenced", epoch=fence.epoch, seconds=round(time.monotonic() - began, 2))
            processor = Processor(self._spark, fence, self._contract, spool / "batch", self._tell)
            opened = open_checkpoint(self._files, self._settings)
            self._checkpoint = opened.checkpoint
            self._seen = {file.path for file in opened.committed}
            processor.deferred = find_deferred(processor, opened.committed)
            log.info("watching", landing=self._settings.landing, once=self._once)
            if self._once:
                self._drain(processor, stop)
            else:
                self._watch(processor, stop)

    def _watch(self, processor: Processor, stop: StopRequest) -> None:
        swept, quiet = 0.0, time.monotonic() + _QUIET_SECONDS
        with self._start(processor) as query:
            while not stop.poll():
                if query.wait(self._settings.poll_seconds):
                    return
                self._lock.refresh()
                due = time.monotonic() - swept > self._settings.sweep_seconds
                if due and self._sweep_between_batches(processor):
                    swept = time.monotonic()
                if query.idle and (self._taken or time.monotonic() > quiet):
                    self._patience.got_on()
            query.finish()

    def _sweep_between_batches(self, processor: Processor) -> bool:
        """Sweep, unless a batch is in hand, and tell whether it was done.

        A long batch must not be waited for: this thread shows that the stream is alive, and looks
        for the request to stop.
        """
        if not processor.mutex.acquire(timeout=self._settings.poll_seconds):
            self._look_at_landing()
            return False
        try:
            self._sweep(processor)
        finally:
            processor.mutex.release()
        return True

    def _sweep(self, processor: Processor) -> None:
        # It gives files in landing other names, which no table would refuse.
        self._lock.confirm()
        sweep(self._spark, processor, self._seen)

    def _look_at_landing(self) -> None:
        """Tell what waits while a batch is in hand, which takes a twentieth of the time at most."""
        began = time.monotonic()
        if began < self._next_look:
            return
        self._tell(LandingSeen(drops_in_landing(self._files, self._settings)))
        took = time.monotonic() - began
        self._next_look = began + max(self._settings.sweep_seconds, 20 * took)

    def _drain(self, processor: Processor, stop: StopRequest) -> None:
        """Take in every whole file that is there now; what comes later is for the next time."""
        present = self._whole_files()
        while not stop.poll():
            self._sweep(processor)
            with self._start(processor) as query:
                while not query.wait(self._settings.poll_seconds):
                    self._lock.refresh()
                    self._look_at_landing()
                    if stop.poll():
                        query.finish()
                        return
            self._sweep(processor)
            left = {(info.size, info.modified_ms) for info in self._whole_files()}
            if not left & {(info.size, info.modified_ms) for info in present}:
                return
            log.info("again", files=len(left))
        return

    def _whole_files(self) -> list[FileInfo]:
        return [
            info
            for info in drops_in_landing(self._files, self._settings)
            if not self._files.is_being_written(info.path)
        ]

    def _start(self, processor: Processor) -> RunningQuery:
        failures: list[BaseException] = []
        self._taken = False

        def take(frame: DataFrame, batch_id: int) -> None:
            try:
                self._take(processor, frame.sparkSession, batch_id)
            except BaseException as error:
                failures.append(error)
                raise

        writer = (
            landed_files(self._spark, self._settings)
            .writeStream.queryName("flo")
            .option("checkpointLocation", self._checkpoint.path)
            .foreachBatch(take)
        )
        interval = f"{self._settings.trigger_seconds} seconds"
        trigger = {"availableNow": True} if self._once else {"processingTime": interval}
        return RunningQuery(writer.trigger(**trigger).start(), failures)

    def _take(self, processor: Processor, spark: SparkSession, batch_id: int) -> None:
        if self._stop:
            raise Stopping
        if self._taken:  # and committed, as there is a next one
            self._patience.got_on()
        failpoint("after_offsets")
        # The source's own list says which files it planned: reading them through Spark would
        # lose one that has vanished since, without a word.
        planned, began = self._checkpoint.files_of(batch_id), time.monotonic()
        with timed_phases() as phases:
            accounts = processor.process(spark, planned, batch_id)
            self._seen.update(file.path for file in planned)
            if self._after_batch is not None:
                self._after_batch(spark)
        done = BatchDone(batch_id, accounts, time.monotonic() - began, phases)
        log.info("batch", **done.figures())
        self._tell(done)
        failpoint("before_commit")
        self._taken = True


def _wait(seconds: float, stop: StopRequest) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop:
        time.sleep(0.1)
