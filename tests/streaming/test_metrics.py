"""What Prometheus reads at a running stream is what the ledger says, and names nobody."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from checkpoints.lock import StreamLock
from flo.logs import configure_logs
from lake.errors import ServiceError
from streaming.events import ROWS, STATES
from streaming.phases import Phase
from streaming.telemetry.telemetry import Telemetry
from tests.faults.running import Running, held_at, running
from tests.lakes import DropLake, csv, row
from tests.processes import Stream, wait_for
from tests.streaming.test_nothing_personal import drops, find_canary

pytestmark = pytest.mark.integration

# What a batch with accepted and refused rows goes through; KPIs and upkeep are the job's.
PHASES = set(Phase) - {Phase.KPIS, Phase.UPKEEP}


class Scrape:
    """What the endpoint gave."""

    def __init__(self, url: str | None) -> None:
        assert url is not None
        with urllib.request.urlopen(url, timeout=10) as answer:
            self.text: str = answer.read().decode()
        families = text_string_to_metric_families(self.text)
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """One sample."""
        (found,) = [s.value for s in self._samples if s.name == name and s.labels == labels]
        return float(found)

    def by(self, name: str, label: str) -> dict[str, float]:
        """All samples of a metric, by a label."""
        return {s.labels[label]: s.value for s in self._samples if s.name == name}


@contextmanager
def served(lake: DropLake, **settings: object) -> Iterator[tuple[Running, Telemetry]]:
    """Run a stream that serves its metrics at a port of its own."""
    own = {"metrics_port": 0, "sweep_seconds": 0.5, "poll_seconds": 0.1, **settings}
    telemetry = Telemetry(lake.settings.model_copy(update=own))
    with telemetry.listening(lake.spark), running(lake, telemetry.tell, **own) as stream:
        wait_for(StreamLock(lake.files, lake.settings).holder, "the lock", 30)
        yield stream, telemetry


@pytest.fixture
def human_log() -> Iterator[None]:
    """Log as the stream's job does by default."""
    before = structlog.get_config()
    configure_logs()
    yield
    structlog.configure(**before)


def assert_as_the_ledger(lake: DropLake, scrape: Scrape) -> None:
    """Counts by state and by outcome, and the number of batches, are the ledger's own."""
    ledger = lake.ledger()
    states = Counter(each["state"] for each in ledger)
    assert scrape.by("flo_drops_total", "state") == {each: states[each] for each in STATES}
    rows = {name: sum(each[f"rows_{name}"] for each in ledger) for name in ROWS}
    assert scrape.by("flo_rows_total", "outcome") == rows
    assert sum(rows.values()) == sum(each["rows_read"] for each in ledger)


def batches(lake: DropLake) -> int:
    """How many batches have accounts."""
    return len({each["batch_id"] for each in lake.ledger() if each["batch_id"] is not None})


@pytest.mark.usefixtures("human_log")
def test_the_numbers_are_the_ledgers_and_name_nobody(
    lake: DropLake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scraped over HTTP while the stream runs: drops of every kind, in batches and beside them.

    Neither the metrics nor the log, which has one line for each batch, names a customer; the
    metrics name no file either.
    """
    content = drops()
    with served(lake) as (stream, telemetry):
        for name, text in content.items():
            lake.put(name, text)
        lake.put("no drop.txt", "x", modified_ms=1_640_000_000_000)
        wait_for(lambda: lake.files.list(lake.settings.landing) == [], "an empty landing")
        lake.put("one more.csv", csv(row("someone"), row("someone else", value_online="abc")))
        wait_for(lambda: len(lake.ledger()) == len(content) + 2, "all accounts")

        def settled() -> Scrape | None:
            found = Scrape(telemetry.endpoint.url)
            done = found.value("flo_batch_seconds_count") == batches(lake)
            noted = found.by("flo_batch_phase_seconds_count", "phase")[Phase.COMMIT] > 0
            return found if done and noted and not found.value("flo_pending_files") else None

        scrape: Scrape = wait_for(settled, "the end of the last batch", 30)
        assert_as_the_ledger(lake, scrape)
        assert all(scrape.by("flo_drops_total", "state").values())
        assert scrape.value("flo_stream_up") == 1
        assert scrape.value("flo_retries_total") == 0
        assert scrape.value("flo_oldest_pending_age_seconds") == 0
        assert scrape.value("flo_last_commit_age_seconds") < 60
        versions = [each["features_version"] or 0 for each in lake.ledger()]
        assert scrape.value("flo_features_version") == max(versions)
        (application,) = scrape.by("flo_stream_info", "application")
        assert application == lake.spark.sparkContext.applicationId

        seconds = scrape.by("flo_batch_phase_seconds_sum", "phase")
        assert {name for name, took in seconds.items() if took > 0} == PHASES
        # The appends go on beside the rest.
        beside = seconds.pop(Phase.SNAPSHOTS) + seconds.pop(Phase.QUARANTINE)
        for parts in (sum(seconds.values()), beside):
            assert parts <= scrape.value("flo_batch_seconds_sum")
        assert scrape.value("flo_batch_seconds_count") == batches(lake)
        stream.stop()
        assert stream.end() == 0
    assert telemetry.endpoint.url is None

    said = capsys.readouterr().err
    assert said.count("event=batch ") == batches(lake)
    assert said.count("event=drop ") == len(lake.ledger())
    for shown in (scrape.text, said):
        assert find_canary(shown) is None
        assert "someone" not in shown
    assert not [name for name in content if name in scrape.text]


@pytest.mark.parametrize("step", ["after_merge", "after_ledger", "after_archive"])
def test_a_batch_that_is_made_good_counts_once(
    step: str, lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, the next try recovers it, and the numbers are the ledger's; so is the number of
    batches. That the metrics' port is taken meanwhile stops nothing.
    """
    failed: list[str] = []

    def fail_once(name: str) -> None:
        if name == step and not failed:
            failed.append(name)
            raise ServiceError("HDFS does not answer.")

    monkeypatch.setattr("lake.failpoint.kill_at", fail_once)
    lake.put("first.csv", csv(row("c1"), row("c2"), row("c3", value_online="abc")))
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        served(lake, metrics_port=taken.getsockname()[1]) as (stream, telemetry),
    ):
        value = telemetry.numbers.registry.get_sample_value
        wait_for(lambda: value("flo_batches_total") and value("flo_retries_total"), "accounts", 180)
        stream.stop()
        assert stream.end() == 0
        assert telemetry.endpoint.url is None
    assert failed
    assert value("flo_retries_total") == 1
    assert value("flo_batches_total") == 1
    assert value("flo_drops_total", {"state": "ingested"}) == len(lake.ledger()) == 1
    assert value("flo_rows_total", {"outcome": "inserted"}) == 2
    assert value("flo_rows_total", {"outcome": "quarantined"}) == 1
    assert value("flo_stream_up") == 0


def test_what_waits_is_seen_while_a_batch_is_in_hand(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own drops are pending until they are archived, and so is what comes after them."""
    lake.put("first.csv", csv(row("c1")))
    with served(lake) as (stream, telemetry):
        with held_at("after_snapshots", monkeypatch) as there:
            assert there.wait(60)
            wait_for(
                lambda: Scrape(telemetry.endpoint.url).value("flo_pending_files") == 1,
                "one pending drop", 30,
            )  # fmt: skip
            info = lake.put("second.csv", csv(row("c2")))
            scrape: Scrape = wait_for(
                lambda: (s := Scrape(telemetry.endpoint.url)).value("flo_pending_files") == 2 and s,
                "two pending drops", 30,
            )  # fmt: skip
            assert scrape.value("flo_pending_bytes") > info.size
            assert scrape.value("flo_oldest_pending_age_seconds") > 0
            assert scrape.value("flo_batches_total") == 0
            assert scrape.value("flo_stream_up") == 1
        wait_for(
            lambda: Scrape(telemetry.endpoint.url).value("flo_pending_files") == 0,
            "no pending drop", 60,
        )  # fmt: skip
        stream.stop()
        assert stream.end() == 0


def test_the_program_serves_and_writes_json(
    new_lake: Callable[[], DropLake], environment: dict[str, str], tmp_path: Path
) -> None:
    """`flo stream --kpis` itself, its log as JSON: one object a line, where it serves, one a batch.

    KPIs and upkeep are parts of a batch, too; neither metrics nor log name a customer.
    """
    lake = new_lake()
    env = {
        **environment,
        "FLO_ROOT": lake.settings.root,
        "FLO_LOG_FORMAT": "json",
        "FLO_METRICS_PORT": "0",
        "FLO_SWEEP_SECONDS": "0.5",
    }
    for name, text in drops().items():
        lake.put(name, text)
    stream = Stream(tmp_path / "stream.log", "--kpis", env=env)
    try:
        stream.wait_for('"event": "batch"')
        (url,) = [each["at"] for each in events(stream.text()) if each["event"] == "metrics"]
        noted = "flo_batch_phase_seconds_count"
        wait_for(lambda: Scrape(url).by(noted, "phase")[Phase.COMMIT] > 0, "the query's note", 30)
        scrape = Scrape(url)
        stream.process.send_signal(signal.SIGTERM)
        assert stream.end() == 0
    finally:
        stream.close()
    assert_as_the_ledger(lake, scrape)
    assert scrape.value("flo_kpi_runs_total") == 1
    assert scrape.value("flo_kpi_features_version") == scrape.value("flo_features_version")
    assert {name for name, s in scrape.by("flo_batch_phase_seconds_sum", "phase").items() if s} == {
        *Phase
    }
    said = events(stream.text())
    (batch,) = [each for each in said if each["event"] == "batch"]
    assert batch["drops"] == len(lake.ledger())
    assert batch["inserted"] == scrape.value("flo_rows_total", outcome="inserted")
    assert 0 < batch["merge_seconds"] < batch["seconds"]
    assert {"watching", "metrics", "drop", "batch", "stopping", "stopped"} <= {
        each["event"] for each in said
    }
    assert find_canary(stream.text() + scrape.text) is None


def events(text: str) -> list[dict[str, Any]]:
    """Read the log: from the first object on each line is one; Java alone writes before it."""
    lines = text.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("{"))
    return [json.loads(line) for line in lines[begin:]]
