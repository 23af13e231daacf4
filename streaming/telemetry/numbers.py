"""The metrics: what each is called, and which event changes it; docs/monitoring.md explains them.

No label names a file or a customer, and each has few values.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import prometheus_client
import pyspark
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Summary

from checkpoints.ledger import LedgerRow
from lake.fs import FileInfo
from lake.version import VERSION
from streaming.events import (
    ROWS,
    STATES,
    BatchDone,
    DropsAccounted,
    Event,
    KpisShown,
    LandingSeen,
    Retrying,
    StreamBegan,
    StreamPaused,
    StreamWorks,
    TriggerDone,
    count_rows,
)
from streaming.phases import Phase

_BATCH_SECONDS = (1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300, 600, 1800)


class Numbers:
    """What one process of the stream has done and sees; it begins at zero, as counters do."""

    def __init__(self, root: str, *, clock: Callable[[], float] = time.time) -> None:
        """Make all metrics, each in its place from the first scrape on.

        Args:
            root: the directory in HDFS that holds everything, to tell streams apart.
            clock: seconds since 1970.
        """
        # Else each counter has a second series, which says when it was made and nothing else.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._clock = clock
        self._root = root
        self._accounted_at = clock()
        self._oldest: float | None = None
        self._make_counters()
        self._make_gauges()

    def _make_counters(self) -> None:
        to = self.registry
        self._drops = Counter("flo_drops", "Drops accounted for.", ["state"], registry=to)
        self._rows = Counter("flo_rows", "Rows of those drops.", ["outcome"], registry=to)
        self._batches = Counter("flo_batches", "Batches with accounts.", registry=to)
        self._retries = Counter("flo_retries", "Tries after trouble.", registry=to)
        self._kpi_runs = Counter("flo_kpi_runs", "Computations of the KPI tables.", registry=to)
        self._batch = Histogram(
            "flo_batch_seconds", "Time of a batch.", buckets=_BATCH_SECONDS, registry=to
        )
        self._phase = Summary(
            "flo_batch_phase_seconds", "Time of a batch's parts.", ["phase"], registry=to
        )
        for state in STATES:
            self._drops.labels(state.value)
        for outcome in ROWS:
            self._rows.labels(outcome)
        for name in Phase:
            self._phase.labels(name.value)

    def _make_gauges(self) -> None:
        to = self.registry
        self._up = Gauge("flo_stream_up", "1 while drops are taken in, else 0.", registry=to)
        self._holder = Info("flo_stream", "The process that holds the lock.", registry=to)
        self._pending_files = Gauge("flo_pending_files", "Drops in landing.", registry=to)
        self._pending_bytes = Gauge("flo_pending_bytes", "Their size.", registry=to)
        self._features = Gauge(
            "flo_features_version", "Newest version of the features by an account.", registry=to
        )
        self._kpis = Gauge(
            "flo_kpi_features_version", "The version that the KPI tables show.", registry=to
        )
        for unknown in (self._features, self._kpis):
            unknown.set(math.nan)
        oldest = Gauge(
            "flo_oldest_pending_age_seconds", "Age of the oldest drop in landing.", registry=to
        )
        oldest.set_function(self._oldest_age)
        commit = Gauge("flo_last_commit_age_seconds", "Time since the last accounts.", registry=to)
        commit.set_function(lambda: max(0.0, self._clock() - self._accounted_at))
        build = Info("flo_build", "What runs.", registry=to)
        build.info({"version": VERSION, "spark": pyspark.__version__})

    def tell(self, event: Event) -> None:
        """Turn an event into numbers; any thread may."""
        match event:
            case StreamBegan(application):
                self._began(application)
            case StreamWorks():
                self._up.set(1)
            case StreamPaused():
                self._up.set(0)
            case LandingSeen(drops):
                self._see_landing(drops)
            case DropsAccounted(accounts):
                self._count(accounts)
            case BatchDone(seconds=seconds, phases=phases):
                self._batch.observe(seconds)
                self._time(phases)
            case TriggerDone(phases):
                self._time(phases)
            case KpisShown(features_version, computed):
                self._kpis.set(features_version)
                self._kpi_runs.inc(1 if computed else 0)
            case Retrying():
                self._retries.inc()

    def _began(self, application: str) -> None:
        self._holder.info(
            {
                "application": application,
                "host": socket.gethostname(),
                "pid": str(os.getpid()),
                "root": self._root,
            }
        )

    def _see_landing(self, drops: Sequence[FileInfo]) -> None:
        self._pending_files.set(len(drops))
        self._pending_bytes.set(sum(info.size for info in drops))
        self._oldest = min((info.modified_ms / 1000 for info in drops), default=None)

    def _oldest_age(self) -> float:
        oldest = self._oldest
        return 0.0 if oldest is None else max(0.0, self._clock() - oldest)

    def _count(self, accounts: Sequence[LedgerRow]) -> None:
        self._accounted_at = self._clock()
        # One that broke off and was made good has its accounts from the recovery.
        self._batches.inc(len({each.batch_id for each in accounts} - {None}))
        for each in accounts:
            self._drops.labels(each.state).inc()
        for outcome, rows in count_rows(accounts).items():
            self._rows.labels(outcome).inc(rows)
        versions = [each.features_version for each in accounts if each.features_version is not None]
        if versions:
            self._features.set(max(versions))

    def _time(self, phases: Mapping[Phase, float]) -> None:
        for name, seconds in phases.items():
            self._phase.labels(name.value).observe(seconds)
