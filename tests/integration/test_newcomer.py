"""A newcomer's path, typed from the README, from a CSV to answers.

Most of it runs while drops keep coming and the stream takes them in: that is when people ask. What
is served or runs for long is a program of its own; the other commands are answered by this process,
see :mod:`tests.answering`. (One of those that open a session is started in tests/batch/test_ask.py,
and one of those that ask for files alone in test_error_tour.py.)
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from hdfs_native import Client
from prometheus_client.parser import text_string_to_metric_families
from pyspark.sql import SparkSession

from tests.answering import Answering
from tests.browser import Browser, find_browser
from tests.lakes import csv, row
from tests.processes import run_json
from tests.readme import TYPED, blocks
from tests.terminals import Terminal

pytestmark = pytest.mark.integration

LANDING = "/flo/landing"
OWN, OWN_CUSTOMERS, OWN_REVENUE = "my_customers.csv", 5, Decimal("3059.97")
STARTED = ("sandbox", "stream", "serve", "watch")
# So many drops wait at any time, each of so many new customers, each of them with one order.
AHEAD, NEW, ORDER = 3, 7, Decimal("10.00")


class Desk:
    """Three terminals on one machine, and the README to type from, block by block."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.answering = Answering(folder, STARTED)
        # Other tests' streams may have the usual port.
        self.env = self.answering.path({**environment, "FLO_METRICS_PORT": "0"})
        self._open: list[Terminal] = []
        self.first, self.second, self.third = map(self.open, ("first", "second", "third"))
        self._blocks = [each for each in blocks() if each.section in TYPED]

    def open(self, name: str) -> Terminal:
        """Open one more terminal."""
        log = self.folder / f"{name}.log"
        self._open.append(Terminal(log, self.env, self.answering.answer_next))
        return self._open[-1]

    def read(self, info: str = "sh") -> str:
        """Turn to the next block, which must be of that kind."""
        block = self._blocks.pop(0)
        assert block.info == info, block
        # What the environment is activated with would find the real `flo` first.
        typed = block.body.replace(". .venv/bin/activate\n", "")
        return typed.replace("var/samples", str(self.folder))

    def left(self) -> list[str]:
        """Say of which kinds the blocks are that were not read."""
        return [each.info for each in self._blocks]

    def wait_for_a_drop(self) -> None:
        """Wait until the stream takes in one more drop than it has until now."""
        self.second.wait_for("event=drop ", self.second.text().count("event=drop ") + 1)

    def texts(self) -> Iterator[str]:
        """All that the terminals have shown."""
        return (each.text() for each in self._open)

    def close(self) -> None:
        """Leave nothing running."""
        for each in self._open:
            each.close()
        self.answering.close()


@pytest.fixture
def desk(spark: SparkSession, environment: dict[str, str], tmp_path: Path) -> Iterator[Desk]:
    """Sit down at a machine with a lake that nobody has used yet."""
    made = Desk(environment, tmp_path)
    yield made
    made.close()


@dataclass(frozen=True)
class Seen:
    """How many drops and customers somebody saw."""

    drops: int
    customers: int

    @property
    def revenue(self) -> Decimal:
        """What these customers have spent."""
        return OWN_REVENUE + ORDER * (self.customers - OWN_CUSTOMERS)


@pytest.mark.timeout(1800)
def test_a_newcomer_gets_from_a_csv_to_answers(desk: Desk) -> None:
    """Each block of the README ends well, in order; each answer is of whole batches, none is lost.

    Report, status, watch, metrics and JDBC are asked while the stream takes drops in, and it is
    stopped then, too.
    """
    put_own_csv_in(desk)
    ask_about_it(desk)
    with supplying(desk) as supplied:
        report = ask_for_a_report(desk)
        desk.third.type(desk.read("sh serve").replace("flo serve", "flo serve --port 0"))
        status = ask_for_the_status(desk)
        watched = watch(desk, to_come=f"new_{len(supplied):04d}.csv")
        scraped = scrape(desk)
        jdbc = ask_over_jdbc(desk)
        stop(desk)
    revenue = go_on_without_the_command_line(desk)

    ledger = run_json("flo", "drops", "--limit", "10000", env=desk.env)
    became = {each["path"].rsplit("/", 1)[-1]: each["state"] for each in ledger}
    ingested = {OWN, *supplied}
    assert became == {**dict.fromkeys(ingested, "ingested"), "no_drop.csv": "rejected"}
    assert len(ledger) == len(became)
    moments = list(whole_batches(ledger))
    assert {report, status} <= set(moments)
    assert jdbc in [each.customers for each in moments]
    assert report.customers < status.customers < jdbc, "the stream did not go on between"
    assert revenue == moments[-1].revenue
    assert 0 < scraped <= moments[-1].drops
    assert len(watched) == len(set(watched))
    assert set(watched) <= ingested
    assert not any("Traceback" in text for text in desk.texts())
    assert " level=error " not in desk.second.text()


def put_own_csv_in(desk: Desk) -> None:
    """From nothing to a stream that has taken the file in."""
    desk.first.run(desk.read())
    looked = desk.first.run(desk.read())
    assert "5 of its 6 rows would be accepted" in looked
    desk.second.type(desk.read("sh stream"))
    desk.second.wait_for("event=watching")
    desk.first.run(desk.read())
    desk.second.wait_for("event=drop ")


def ask_about_it(desk: Desk) -> None:
    """What became of the file, and the answer that the README shows."""
    answers = desk.first.run(desk.read())
    for words in (OWN, "Every file is accounted for.", "running since", "channel_kpis"):
        assert words in answers
    assert desk.read("text") in answers


@contextmanager
def supplying(desk: Desk) -> Iterator[list[str]]:
    """Keep drops waiting in landing for the time of the block, whatever the stream takes in.

    Gives the names of those that were put there, which go on growing.
    """
    names: list[str] = []
    enough = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        supply = pool.submit(put_drops, client_of(desk), names, enough)
        try:
            desk.wait_for_a_drop()
            yield names
        finally:
            enough.set()
            supply.result()


def client_of(desk: Desk) -> Client:
    """An HDFS client that is not ours."""
    return Client(config_dir=str(Path(desk.env["FLO_VAR"]) / "hadoop"))


def put_drops(client: Client, names: list[str], enough: threading.Event) -> None:
    """Put drops into landing with an HDFS client that is not ours, until there are enough."""
    while not enough.wait(0.1):
        if len(list(client.list_status(LANDING))) < AHEAD:
            number = len(names)
            made = [row(f"new-{number}-{at}", value_offline=str(ORDER)) for at in range(NEW)]
            names.append(f"new_{number:04d}.csv")
            put(client, names[-1], csv(*made))


def put(client: Client, name: str, text: str) -> None:
    """Write a file under a hidden name, and rename it when it is whole."""
    hidden = f"{LANDING}/{name}._COPYING_"
    with client.create(hidden) as file:
        file.write(text.encode())
    client.rename(hidden, f"{LANDING}/{name}")


def ask_for_a_report(desk: Desk) -> Seen:
    """Segments, and a page that has everything of one moment; a browser, if any, opens it."""
    desk.wait_for_a_drop()
    desk.first.run(desk.read())
    page = desk.folder / "report.html"
    text = page.read_text("utf-8")

    def find(pattern: str) -> str:
        [found] = re.findall(pattern, text, re.DOTALL)
        return str(found).replace(",", "")

    customers = int(find(r"<dt>Customers</dt>\s*<dd><strong>([\d,]+)</strong>"))
    assert int(find(r"from ([\d,]+) accepted rows</small>")) == customers
    seen = Seen(int(find(r"After ([\d,]+) drops, the last")), customers)
    assert Decimal(find(r"<dt>Revenue</dt>.*?<small>([\d,.]+) TL</small>")) == seen.revenue
    if program := find_browser():
        with Browser(program, desk.folder / "profile") as browser:
            browser.open(page.as_uri())
            assert browser.run("document.querySelectorAll('figure svg').length") > 5
            assert browser.run("document.querySelector('h1').checkVisibility()")
    return seen


def ask_for_the_status(desk: Desk) -> Seen:
    """The status is of whole batches, and says that the stream runs and what waits."""
    desk.wait_for_a_drop()
    told = {each["what"]: each["value"] for each in run_json("flo", "status", env=desk.env)}
    assert told["stream"].startswith("running: ")
    assert told["files unaccounted for"] == 0
    assert 0 <= told["pending files"] <= AHEAD
    return Seen(told["drops ingested"], told["customer_features rows"])


def watch(desk: Desk, to_come: str) -> list[str]:
    """Without a terminal, a watch prints a line for each drop, also for those that are to come."""
    terminal = desk.open("watch")
    terminal.type("flo watch --seconds 1")
    terminal.wait_for(f"{to_come}  ingested: ")
    assert terminal.interrupt() == 130
    told = re.findall(r"^\d\d:\d\d:\d\d  (\S+)  ingested: (.*)$", terminal.text(), re.MULTILINE)
    new, own = f"{NEW} rows: {NEW} inserted", "6 rows: 5 inserted, 1 quarantined"
    assert all(became == (own if name == OWN else new) for name, became in told)
    return [name for name, _ in told]


def scrape(desk: Desk) -> float:
    """Prometheus finds a stream that runs; returns how many drops it says were ingested."""
    [url] = re.findall(r"event=metrics at=(\S+)", desk.second.text())
    with urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    assert not re.search(r"made-up|new[-_]\d", text), "a customer or a file is named"
    samples = {
        (sample.name, sample.labels.get("state")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["flo_stream_up", None] == 1
    assert samples["flo_drops_total", "rejected"] == 0
    return float(samples["flo_drops_total", "ingested"])


def ask_over_jdbc(desk: Desk) -> int:
    """The client counts customers by channel; returns how many there are in all."""
    desk.third.wait_for("Ready at ")
    [url] = re.findall(r"Ready at (\S+),", desk.third.text())
    desk.wait_for_a_drop()
    line = desk.read("sh beeline")
    assert "jdbc:hive2://127.0.0.1:10000/flo" in line
    answer = desk.first.run(line.replace("jdbc:hive2://127.0.0.1:10000/flo", url))
    counts = dict(re.findall(r"^\| *(\w[\w ]*?) +\| *(\d+) *\|$", answer, re.MULTILINE))
    assert set(counts) == {"Android App", "Desktop", "Mobile", "Offline"}
    assert desk.third.interrupt() == 130
    return sum(map(int, counts.values()))


def stop(desk: Desk) -> None:
    """The stream ends well in the middle of its work, and leaves nothing to mend."""
    desk.wait_for_a_drop()
    ended = desk.first.run(desk.read())
    desk.second.wait()
    for words in ("The stream has ended.", "Every file is accounted for.", "No difference;"):
        assert words in ended
    assert re.search(r"[1-9]\d* pending, .* 0 unaccounted for", ended)


def go_on_without_the_command_line(desk: Desk) -> Decimal:
    """The plain jobs take in what was left, though a file of it is no drop; Spark's SQL answers.

    So does a session of PySpark, by name: returns the revenue that it finds.
    """
    client = client_of(desk)
    put(client, "no_drop.csv", "no,header\n1,2\n")
    desk.first.run(desk.read())
    assert not list(client.list_status(LANDING))
    told = desk.first.run(desk.read())
    assert re.search(r"^Desktop\t1\t", told, re.MULTILINE)
    asked = desk.read("python").rstrip()
    opened = "from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()"
    line = shlex.quote(f"{opened}\nprint(*map(tuple, ({asked}).collect()), sep='\\n')")
    told = desk.first.run(f"SPARK_CONF_DIR=conf python -c {line}")
    sums = re.findall(r"^\('\w+', .*Decimal\('([\d.]+)'\)", told, re.MULTILINE)
    assert desk.left() == []
    return sum(map(Decimal, sums))


def whole_batches(ledger: list[dict[str, Any]]) -> Iterator[Seen]:
    """Say what there was to be seen after each batch, by the ledger."""
    ingested = [each for each in ledger if each["state"] == "ingested"]
    ingested.sort(key=lambda each: each["features_version"])
    drops = customers = 0
    for _, batch in groupby(ingested, key=lambda each: each["features_version"]):
        for each in batch:
            drops, customers = drops + 1, customers + each["rows_inserted"]
        yield Seen(drops, customers)
