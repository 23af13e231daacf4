"""What the stream tells becomes numbers, each of them once."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread

import pytest

from checkpoints.ledger import LedgerRow, State
from lake.fs import FileInfo
from lake.version import VERSION
from streaming.events import (
    ROWS,
    STATES,
    BatchDone,
    DropsAccounted,
    KpisShown,
    LandingSeen,
    Retrying,
    StreamBegan,
    StreamPaused,
    StreamWorks,
    TriggerDone,
)
from streaming.phases import Phase, phase, timed_phases
from streaming.telemetry.numbers import Numbers
from tests.clock import Clock
from tests.processes import ROOT

NOW = 1_700_000_000.0
INGESTED = LedgerRow(
    path="/flo/landing/a.csv",
    bytes=100,
    modified_at=datetime(2023, 1, 1, tzinfo=UTC),
    state=State.INGESTED,
    started_at=datetime(2023, 1, 1, tzinfo=UTC),
    rows_read=18, rows_accepted=15, rows_quarantined=3,
    rows_inserted=1, rows_updated=2, rows_unchanged=3, rows_stale=4, rows_superseded=5,
    features_version=7,
)  # fmt: skip
REJECTED = replace(
    INGESTED,
    state=State.REJECTED, rows_read=8, rows_accepted=0, rows_quarantined=8,
    rows_inserted=0, rows_updated=0, rows_unchanged=0, rows_stale=0, rows_superseded=0,
    features_version=None,
)  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    """Begin at a certain time."""
    return Clock(NOW)


@pytest.fixture
def numbers(clock: Clock) -> Numbers:
    """Make the metrics of a stream that has done nothing."""
    return Numbers("/flo", clock=clock)


def value(numbers: Numbers, name: str, **labels: str) -> float:
    """Read one sample."""
    found = numbers.registry.get_sample_value(name, labels)
    assert found is not None, f"there is no {name} {labels}"
    return found


def drop(name: str, size: int, age: float) -> FileInfo:
    """A file in landing of a certain age in seconds."""
    return FileInfo(f"/flo/landing/{name}", size, int((NOW - age) * 1000), False, "s", 0o644)


def test_every_series_is_there_from_the_first_scrape(numbers: Numbers) -> None:
    """A counter that appears with its first event would hide that event from `increase`."""
    assert [value(numbers, "flo_drops_total", state=each) for each in STATES] == [0, 0, 0]
    assert [value(numbers, "flo_rows_total", outcome=each) for each in ROWS] == [0] * len(ROWS)
    counts = [value(numbers, "flo_batch_phase_seconds_count", phase=each) for each in Phase]
    assert counts == [0] * len(Phase)
    assert math.isnan(value(numbers, "flo_features_version"))
    assert math.isnan(value(numbers, "flo_kpi_features_version"))


def test_accounts_are_counted_by_state_and_their_rows_by_outcome(numbers: Numbers) -> None:
    """Whatever wrote them, a batch, a round or a recovery: the sums are the ledger's."""
    numbers.tell(DropsAccounted([INGESTED, REJECTED]))
    numbers.tell(DropsAccounted([replace(INGESTED, features_version=8)]))
    assert value(numbers, "flo_drops_total", state="ingested") == 2
    assert value(numbers, "flo_drops_total", state="rejected") == 1
    rows = {each: value(numbers, "flo_rows_total", outcome=each) for each in ROWS}
    assert rows == {
        "inserted": 2, "updated": 4, "unchanged": 6, "stale": 8, "superseded": 10,
        "quarantined": 14,
    }  # fmt: skip
    assert sum(rows.values()) == 2 * INGESTED.rows_read + REJECTED.rows_read
    assert value(numbers, "flo_features_version") == 8


def test_ages_are_of_the_scrape(numbers: Numbers, clock: Clock) -> None:
    """They grow while nothing happens, which is when they are looked at."""
    numbers.tell(LandingSeen([drop("a.csv", 10, 30), drop("b.csv", 5, 90)]))
    clock.now += 60
    assert value(numbers, "flo_pending_files") == 2
    assert value(numbers, "flo_pending_bytes") == 15
    assert value(numbers, "flo_oldest_pending_age_seconds") == 150
    assert value(numbers, "flo_last_commit_age_seconds") == 60
    numbers.tell(DropsAccounted([INGESTED]))
    numbers.tell(LandingSeen([]))
    clock.now += 5
    assert value(numbers, "flo_oldest_pending_age_seconds") == 0
    assert value(numbers, "flo_last_commit_age_seconds") == 5


def test_a_file_from_the_future_has_no_age(numbers: Numbers) -> None:
    """The clocks of two machines differ; an age is never below zero."""
    numbers.tell(LandingSeen([drop("a.csv", 10, -30)]))
    assert value(numbers, "flo_oldest_pending_age_seconds") == 0


def test_a_batch_counts_when_it_is_accounted_for_and_its_parts_when_they_are_done(
    numbers: Numbers,
) -> None:
    """One that broke off and was made good counts, too; what a round refuses is no batch."""
    numbers.tell(DropsAccounted([replace(INGESTED, batch_id=4), replace(REJECTED, batch_id=4)]))
    numbers.tell(DropsAccounted([replace(REJECTED, batch_id=None)]))
    assert value(numbers, "flo_batches_total") == 1
    assert value(numbers, "flo_batch_seconds_count") == 0
    numbers.tell(BatchDone(4, [INGESTED], 3.0, {Phase.MERGE: 2.0, Phase.LEDGER: 0.25}))
    numbers.tell(TriggerDone({Phase.LISTING: 0.125}))
    assert value(numbers, "flo_batches_total") == 1
    assert value(numbers, "flo_batch_seconds_sum") == 3.0
    assert value(numbers, "flo_batch_seconds_bucket", le="2.0") == 0
    assert value(numbers, "flo_batch_seconds_bucket", le="3.0") == 1
    assert value(numbers, "flo_batch_phase_seconds_sum", phase="merge") == 2.0
    assert value(numbers, "flo_batch_phase_seconds_sum", phase="listing") == 0.125
    # Accounts are counted where they are told, not a second time.
    assert value(numbers, "flo_drops_total", state="ingested") == 1


def test_the_stream_is_up_while_it_takes_drops_in(numbers: Numbers) -> None:
    """Not between two tries, and not after its end."""
    numbers.tell(StreamWorks())
    assert value(numbers, "flo_stream_up") == 1
    numbers.tell(StreamPaused())
    assert value(numbers, "flo_stream_up") == 0


def test_the_rest_is_counted_too(numbers: Numbers) -> None:
    """Retries; KPI runs, of which one that found nothing to do is none."""
    numbers.tell(Retrying(1.0))
    numbers.tell(KpisShown(4, computed=True))
    numbers.tell(KpisShown(4, computed=False))
    assert value(numbers, "flo_retries_total") == 1
    assert value(numbers, "flo_kpi_runs_total") == 1
    assert value(numbers, "flo_kpi_features_version") == 4


def test_it_is_told_which_process_and_which_version_this_is(numbers: Numbers) -> None:
    """The version is the project's own, also where it runs from a zip."""
    numbers.tell(StreamBegan("application_1_2"))
    by_name = {each.name: each for each in numbers.registry.collect()}
    (holder,) = by_name["flo_stream"].samples
    assert holder.labels["application"] == "application_1_2"
    assert holder.labels["root"] == "/flo"
    (build,) = by_name["flo_build"].samples
    assert build.labels["version"] == VERSION
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_phases_are_those_of_the_block_and_add_up() -> None:
    """A part that comes twice is one number; outside of a batch nothing is noted."""
    with timed_phases() as first:
        for _ in range(2):
            with phase(Phase.DECODE):
                pass
        with pytest.raises(ValueError, match="torn"), phase(Phase.MERGE):
            raise ValueError("torn")
    with phase(Phase.LEDGER):
        pass
    with timed_phases() as second:
        pass
    assert set(first) == {Phase.DECODE, Phase.MERGE}
    assert second == {}


def test_what_another_thread_does_is_no_part_of_a_batch() -> None:
    """Whatever goes on beside a batch, such as an append of its own, is timed by itself."""

    def beside() -> None:
        with phase(Phase.ARCHIVE):
            pass

    with timed_phases() as seconds:
        thread = Thread(target=beside)
        thread.start()
        thread.join()
    assert seconds == {}


def test_the_line_of_a_batch_has_its_numbers_and_no_name() -> None:
    """Drops by state, rows by outcome, seconds by phase: for the log, which is one line."""
    done = BatchDone(3, [INGESTED, REJECTED], 2.34567, {Phase.MERGE: 0.25, Phase.LEDGER: 0.12345})
    assert done.figures() == {
        "batch": 3, "drops": 2, "ingested": 1, "duplicate": 0, "rejected": 1, "read": 26,
        "inserted": 1, "updated": 2, "unchanged": 3, "stale": 4, "superseded": 5,
        "quarantined": 11, "seconds": 2.346, "merge_seconds": 0.25, "ledger_seconds": 0.123,
    }  # fmt: skip
