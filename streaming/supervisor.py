"""Hold rounds until told to stop: recover, retry what passes, and end cleanly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from checkpoints.ledger import LedgerRow
from checkpoints.lock import StreamLock
from checkpoints.query_checkpoint import has_grown_long, set_aside
from lake.causes import recognise, tell, transient
from lake.contract import Contract
from lake.errors import FloError, LockedError, ServiceError
from lake.failpoint import failpoint
from lake.fence import Fence
from lake.fs import FileInfo, FileSystem
from lake.scratch import scratch
from lake.settings import Settings
from lake.writers import require_writer
from streaming.background import Background
from streaming.events import (
    BatchDone,
    LandingSeen,
    Retrying,
    StreamBegan,
    StreamPaused,
    StreamWorks,
    Tell,
    tell_nobody,
)
from streaming.patience import Patience
from streaming.phases import timed_phases
from streaming.processor import AfterBatch, Processor
from streaming.query import FINISHING, BeginAnew, QueryFailed, start_query
from streaming.rounds import take_round
from streaming.source import drops_in_landing
from streaming.stopping import StopRequest

log = structlog.get_logger()

_QUIET_SECONDS = 60
"""A stream that has waited for files for so long is well, though it has had no batch."""


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
        self._patience = Patience(settings.retry_seconds)
        self._locked = False
        self._next_look = 0.0
        self._is_fresh = False  # the checkpoint, and no query has started on it yet

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
        """Begin anew after transient trouble, with growing pauses."""
        while not stop:
            try:
                self._take_lock()
                self._work(stop)
                return
            except BeginAnew:
                continue
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

    def _after(self, spark: SparkSession) -> None:
        """Do what a batch ends with. No epoch guards it, so who has lost the lock leaves it."""
        if self._after_batch is not None:
            self._lock.confirm()
            self._after_batch(spark)

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

    def _work(self, stop: StopRequest) -> None:
        with scratch("spool") as spool:
            began = time.monotonic()
            require_writer(self._spark, self._settings)
            fence = Fence.raised(self._spark, self._settings, self._lock.confirm)
            log.info("fenced", epoch=fence.epoch, seconds=round(time.monotonic() - began, 2))
            processor = Processor(self._spark, fence, self._contract, spool / "batch", self._tell)
            processor.end_last_batch(self._spark, self._after)
            log.info("watching", landing=self._settings.landing, once=self._once)
            self._tell(StreamWorks())
            try:
                if self._once:
                    self._drain(processor, stop)
                else:
                    self._watch(processor, stop)
            finally:
                self._tell(StreamPaused())

    def _drain(self, processor: Processor, stop: StopRequest) -> None:
        """Take in what is there now; what comes later is for the next time."""
        present = {info.path for info in drops_in_landing(self._files, self._settings)}

        def belongs(info: FileInfo) -> bool:
            return info.path in present

        with Background(self._tend) as rounds, processor.open():
            rounds.start(lambda: self._round(processor, self._spark, belongs))
            while rounds.busy(self._settings.poll_seconds):
                self._lock.refresh()
                self._look_at_landing()
                if not stop and stop.poll():
                    log.info("stopping", why=FINISHING)
        landed = drops_in_landing(self._files, self._settings)
        left = [info.name for info in filter(belongs, landed)]
        if left:
            why = "asked to end" if stop else "still being written, or not to be read or moved"
            log.warning("left in landing", files=left, why=why)

    def _watch(self, processor: Processor, stop: StopRequest) -> None:
        """Hold rounds whenever the query sees new files, and every ``sweep_seconds``.

        Raises:
            BeginAnew: the checkpoint was set aside, as Spark could not start on it.
        """
        if has_grown_long(self._files, self._settings):
            self._set_checkpoint_aside("its list of files has grown long")
        try:
            self._watch_query(processor, stop)
        except QueryFailed as failed:
            if not failed.at_start or self._is_fresh:
                raise failed.cause from None
            # It may be the checkpoint. Where it is not, the same comes again on a fresh one.
            self._set_checkpoint_aside(tell(failed.cause))
            raise BeginAnew from None

    def _set_checkpoint_aside(self, why: str) -> None:
        self._lock.confirm()  # it may be another stream's by now
        aside = set_aside(self._files, self._settings)
        self._is_fresh = True
        log.warning("checkpoint set aside", why=why, to=aside)

    def _watch_query(self, processor: Processor, stop: StopRequest) -> None:
        now = time.monotonic()
        due, quiet = now, now + _QUIET_SECONDS
        with (
            Background(self._tend) as rounds,
            start_query(
                self._spark,
                self._settings,
                lambda session: self._round(processor, session),
                self._tend,
            ) as query,
            processor.open(),
        ):
            while not stop.poll():
                if query.wait(self._settings.poll_seconds):
                    return
                self._is_fresh = self._is_fresh and not query.has_waited
                self._lock.refresh()
                self._look_at_landing()
                if rounds.busy():
                    continue
                now = time.monotonic()
                if now > due:
                    rounds.start(lambda: self._round(processor, self._spark))
                    due = now + self._settings.sweep_seconds
                if now > quiet and query.idle:
                    self._patience.got_on()
            query.finish()

    def _tend(self) -> None:
        """Keep the lock while the end of a batch is waited for; who has lost it is told by then."""
        with suppress(FloError):
            self._lock.refresh()

    def _look_at_landing(self) -> None:
        """Tell what waits, which takes a twentieth of the time at most."""
        began = time.monotonic()
        if began < self._next_look:
            return
        self._tell(LandingSeen(drops_in_landing(self._files, self._settings)))
        took = time.monotonic() - began
        self._next_look = began + max(self._settings.sweep_seconds, 20 * took)

    def _round(
        self,
        processor: Processor,
        spark: SparkSession,
        belongs: Callable[[FileInfo], bool] = lambda _: True,
    ) -> None:
        """Hold a round, after any other that is being held; none after one that broke off."""

        def take(batch: Sequence[FileInfo]) -> Sequence[LedgerRow]:
            return self._take(processor, spark, batch)

        def ends() -> bool:
            # A round moves files out of landing, which no table would refuse.
            self._lock.confirm()
            return bool(self._stop) or processor.closing

        with processor.mutex:
            if processor.broken_off:
                return
            processor.broken_off = True
            take_round(spark, processor, take, ends, belongs)
            processor.broken_off = False

    def _take(
        self, processor: Processor, spark: SparkSession, batch: Sequence[FileInfo]
    ) -> Sequence[LedgerRow]:
        failpoint("before_batch")
        began = time.monotonic()
        with timed_phases() as phases:
            accounts = processor.process(spark, batch, self._after)
        if accounts:
            number = max(each.batch_id or 0 for each in accounts)
            done = BatchDone(number, accounts, time.monotonic() - began, phases)
            log.info("batch", **done.figures())
            self._tell(done)
            self._patience.got_on()
        failpoint("after_batch")
        return accounts


def _wait(seconds: float, stop: StopRequest) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop:
        time.sleep(0.1)
