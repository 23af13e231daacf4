"""A contender is a process that answers orders, and whose failure has a name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench import places
from bench.contenders import client
from bench.contenders.client import Contender
from bench.errors import BenchError

FAKE = """
from bench.contenders.protocol import serve

def add(left, right):
    print("the engine says something")
    return {"sum": left + right}

def fail():
    raise ValueError("no such table")

def die():
    raise SystemExit(3)

serve({"add": add, "fail": fail, "die": die})
"""


@pytest.fixture
def contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contender:
    """Start a contender that adds, fails and dies when told to."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(client, "LOGS", tmp_path / "logs")
    path = os.pathsep.join([str(tmp_path), str(places.ROOT)])
    return Contender("fake", Path(sys.executable), "fake", {"PYTHONPATH": path})


def test_what_an_engine_prints_is_no_answer(contender: Contender) -> None:
    """Answers and an engine's own output do not get mixed up."""
    with contender:
        assert contender.ask("add", left=2, right=3) == {"sum": 5}
        assert contender.ask("add", left=1, right=1) == {"sum": 2}


def test_a_failure_is_told_with_its_name_and_the_process_goes_on(contender: Contender) -> None:
    """A contender that fails says at what and why."""
    with contender:
        with pytest.raises(BenchError, match="fake failed at 'fail': ValueError: no such table"):
            contender.ask("fail")
        assert contender.ask("add", left=2, right=3) == {"sum": 5}


def test_the_end_of_a_contender_is_noticed(contender: Contender) -> None:
    """One that ends does not leave the benchmark waiting, and its log is named."""
    with contender, pytest.raises(BenchError, match=r"ended at 'die'.*fake\.log"):
        contender.ask("die")
