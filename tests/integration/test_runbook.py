"""What the runbook tells people to type works in the very situation that it is told for."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from checkpoints.lock import StreamLock
from streaming.stopping import stop_marker
from streaming.supervisor import Supervisor
from tests.answering import run_answered
from tests.lakes import DropLake, csv, row
from tests.processes import ROOT

pytestmark = pytest.mark.integration

_CASE = re.compile(
    r"^<!-- case: ([a-z-]+) -->\n+```sh\n(.*?)^```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL
)
CASES = {
    name: (script, answer.splitlines())
    for name, script, answer in _CASE.findall((ROOT / "docs/runbook.md").read_text("utf-8"))
}


@pytest.fixture(scope="module")
def lake(new_lake: Callable[[], DropLake]) -> DropLake:
    """Make a lake: a drop with a bad row, a file that is no drop."""
    lake = new_lake()
    good = [row(f"c{number}") for number in range(9)]
    lake.put("some-bad.csv", csv(*good, row("c9", value_online="abc")))
    lake.put("no-drop.csv", "no,header\n1,2\n")
    assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    return lake


def pend(lake: DropLake) -> None:
    """Let one drop wait in landing that has not been taken in before."""
    number = len(lake.ledger())
    lake.put(f"pending-{number}.csv", csv(row(f"p{number}")))


@contextmanager
def locked(lake: DropLake) -> Iterator[None]:
    """Hold the lock as a stream does that ends when it is asked to."""
    lock = StreamLock(lake.files, lake.settings)
    lock.acquire("local-1")
    given_up = threading.Event()

    def hold() -> None:
        while not given_up.is_set() and not lake.files.exists(stop_marker(lake.settings)):
            given_up.wait(0.1)
        lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        given_up.set()
        thread.join()
        lake.files.delete(stop_marker(lake.settings))


def prepared(
    prepare: Callable[[DropLake], None],
) -> Callable[[DropLake], AbstractContextManager[None]]:
    """Make a situation that stays as it is."""

    def enter(lake: DropLake) -> AbstractContextManager[None]:
        prepare(lake)
        return nullcontext()

    return enter


def lose_tables(lake: DropLake) -> None:
    """Delete all tables."""
    lake.files.delete(lake.settings.tables)


as_it_is = prepared(lambda _: None)
SITUATIONS: dict[str, Callable[[DropLake], AbstractContextManager[None]]] = {
    "backlog": prepared(pend),
    "locked": locked,
    "rejected-drop": as_it_is,
    "quarantined-rows": as_it_is,
    "audit": as_it_is,
    "verify": as_it_is,
    "restore": as_it_is,
    "lost-tables": prepared(lose_tables),
}


def test_each_case_has_a_situation() -> None:
    """No case of the runbook goes untested."""
    text = (ROOT / "docs/runbook.md").read_text("utf-8")
    assert set(CASES) == set(SITUATIONS)
    assert text.count("```sh") == len(CASES)


@pytest.mark.parametrize("case", CASES)
def test_the_commands_of_a_case_do_what_they_say(
    case: str, lake: DropLake, environment: dict[str, str], tmp_path: Path
) -> None:
    """In its situation, all commands of a case end well and answer as is told, in that order."""
    script, answers = CASES[case]
    bad = next(each for each in lake.ledger() if each["rows_quarantined"])
    env = {
        **environment,
        "FLO_ROOT": lake.settings.root,
        "DROP": str(bad["drop_id"])[:12],
    }
    with SITUATIONS[case](lake):
        done = run_answered(script, folder=tmp_path, env=env)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    at = 0
    for answer in answers:
        wanted = re.compile(".*".join(re.escape(part.strip()) for part in answer.split("…")))
        found = wanted.search(done.stdout, at)
        assert found, f"'{answer}' is not in what comes after:\n{done.stdout[at:]}"
        at = found.end()
