"""Upkeep, KPI jobs and readers beside the stream: nobody fails, and nobody sees half a batch."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from batch.kpis_job import compute_kpis
from batch.upkeep.maintain import Limits, compact, look_at, own_session, vacuum
from lake.tables import FEATURES, LEDGER, SNAPSHOTS
from tests.expected import assert_as_the_oracle_says, oracle_of
from tests.faults.drops import MadeDrop
from tests.faults.running import running
from tests.faults.world import put
from tests.lakes import DropLake, csv, row

COMMON, OWN = 40, 10
"""Customers that every drop has, and customers that only one has."""
_PAUSE_SECONDS = 1
"""Between two runs of what goes on beside the stream: on two cores that wants to get on, too."""
_FIRST_DROP_MS = 1_700_000_000_000


def make_drop(number: int) -> MadeDrop:
    """Make a drop that is newer for all common customers than the one before; one row is bad."""
    day = f"2021-03-{number + 1:02d}"
    names = [*(f"c{at}" for at in range(COMMON)), *(f"d{number}-{at}" for at in range(OWN))]
    rows = [row(name, channel="Mobile", last=day, value_offline=f"{number}.50") for name in names]
    modified_ms = _FIRST_DROP_MS + number * 60_000
    return MadeDrop(f"drop_{number}.csv", csv(*rows, row("", last=day)), modified_ms)


DROPS = [make_drop(number) for number in range(3)]


class Beside:
    """Something done again and again beside the stream, in a thread of its own."""

    def __init__(self, job: Callable[[], object]) -> None:
        self._job = job
        self._over = threading.Event()
        self.times = 0
        self.errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        """Do it, at last once more after it was told to end."""
        last = False
        while not last and not self.errors:
            last = self._over.wait(_PAUSE_SECONDS)
            try:
                self._job()
                self.times += 1
            except BaseException as error:
                self.errors.append(error)

    def end(self) -> None:
        """Do it no more."""
        self._over.set()
        self._thread.join(120)


class Reader:
    """Reads the tables, and keeps what a batch must never look like."""

    def __init__(self, lake: DropLake) -> None:
        self._lake = lake
        self.halves: list[str] = []
        self.drops_seen: set[int] = set()

    def read(self) -> None:
        """Read each table once; each holds whole batches, though not the same ones."""
        snapshots, features, accounts = map(self._count, (SNAPSHOTS, FEATURES, LEDGER))
        self.drops_seen.add(len(snapshots))
        if set(snapshots) - {COMMON + OWN}:
            self.halves.append(f"snapshots by drop: {snapshots}")
        # The newest drop has all that it brought, those before it only what no other has.
        if features != [OWN] * (len(features) - 1) + [COMMON + OWN] * bool(features):
            self.halves.append(f"features by drop: {features}")
        if set(accounts) - {1}:
            self.halves.append(f"accounts by drop: {accounts}")
        kpis = self._lake.rows("channel_kpis", "total_customers")
        if [(each[0] - COMMON) % OWN for each in kpis] not in ([], [0]):
            self.halves.append(f"KPIs: {kpis}")

    def _count(self, table: str) -> list[int]:
        return sorted(Counter(self._lake.rows(table, "drop_id")).values())


def test_jobs_and_readers_beside_the_stream(lake: DropLake) -> None:
    """OPTIMIZE, VACUUM and KPI jobs beside each batch: no error, and the tables of a quiet run.

    A reader meanwhile sees each batch in a table whole or not at all.
    """
    session, limits = own_session(lake.spark), Limits()

    def keep_up() -> None:
        found = look_at(session, lake.settings, FEATURES, limits)
        compact(session, lake.settings, FEATURES, limits, found)
        vacuum(session, lake.settings, FEATURES)

    put(lake, DROPS)
    reader = Reader(lake)
    with running(lake, max_files_per_batch=1) as stream:
        jobs = [Beside(keep_up), Beside(lambda: compute_kpis(lake.spark, lake.settings))]
        while stream.alive and lake.files.list(lake.settings.landing):
            reader.read()
            time.sleep(_PAUSE_SECONDS)
        reader.read()
        stream.stop()
        for job in jobs:
            job.end()
        assert stream.end() == 0
    assert [job.errors for job in jobs] == [[], []]
    assert all(job.times >= 2 for job in jobs), "they did not run beside the stream"
    assert reader.halves == []
    assert len(reader.drops_seen) >= 2, "the reader came too late"
    operations = {
        each["operation"]
        for each in lake.spark.sql(
            f"DESCRIBE HISTORY delta.`{lake.settings.tables}/{FEATURES}`"
        ).collect()
    }
    assert {"MERGE", "OPTIMIZE", "VACUUM END"} <= operations
    assert_as_the_oracle_says(lake, oracle_of(DROPS))
