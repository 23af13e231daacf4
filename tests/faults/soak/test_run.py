"""The run of a soak on a make-believe stream: it feeds, holds, kills and ends as planned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.soak import run
from tests.faults.soak.plan import Plan, Trouble
from tests.faults.soak.run import Soak, SoakError

DROPS = 60


class World:
    """HDFS, a sandbox and a stream in one: each look at what is staged is a step of the stream."""

    def __init__(self) -> None:
        self.landing: set[str] = set()
        self.hidden: set[str] = set()
        self.said: list[str] = []
        self.batches: list[set[str]] = []
        self.events: list[tuple[int, str]] = []
        self.exit_code: int | None = None

    @property
    def in_hand(self) -> bool:
        """Whether a batch is begun and not finished."""
        return len(self.batches) > len(self.said)

    def step(self) -> None:
        """Begin a batch of what is there, or finish the one in hand."""
        if self.in_hand:
            batch = f"event=batch batch={len(self.said)} drops=1 seconds=1.0"
            self.said.append(f"timestamp=2026-03-02T12:00:00Z level=info {batch}")
        elif self.landing:
            self.batches.append(self.landing)
            self.landing = set()

    def note(self, what: str) -> None:
        """Note something that the soak did, and after how many batches."""
        self.events.append((len(self.said), what))

    def list(self, path: str) -> dict[str, int]:
        """List a directory as HDFS does."""
        name = path.rsplit("/", 1)[-1]
        if name == "landing":
            return dict.fromkeys(self.landing | self.hidden, 1)
        if name == "staging":
            self.step()
            return {"1": 1}
        return {str(len(self.said)): 1} if self.in_hand else {}

    def put(self, path: str, content: bytes, modified_ms: int) -> None:
        """Write a file under a hidden name."""
        name = path.rsplit("/", 1)[-1]
        assert name.startswith("._")
        self.hidden.add(name)

    def rename(self, source: str, target: str) -> None:
        """Bring a file in, under its own name."""
        self.hidden.remove(source.rsplit("/", 1)[-1])
        self.landing.add(target.rsplit("/", 1)[-1])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Put the make-believe in the place of everything that the run touches."""
    world = World()
    process = SimpleNamespace(pid=1, poll=lambda: world.exit_code, send_signal=lambda _: None)
    starts: list[int] = []

    def start(*_: object, **__: object) -> SimpleNamespace:
        number = len(starts)
        starts.append(len(world.said))
        return SimpleNamespace(
            process=process, kill=lambda: world.note(Trouble.DRIVER), close=lambda: None,
            end=lambda: 0, log="log",
            text=lambda: "\n".join(world.said[slice(*[*starts, None][number : number + 2])]),
        )  # fmt: skip

    monkeypatch.setattr(run, "Stream", start)
    monkeypatch.setattr(run, "WebHdfs", lambda _: world)
    monkeypatch.setattr(run, "resident_bytes", lambda _: (2, 1))
    monkeypatch.setattr(run, "live_heap_bytes", lambda _: world.note("heap") or 1)
    monkeypatch.setattr(
        run.psutil, "Process", lambda pid: SimpleNamespace(kill=lambda: world.note(pid))
    )
    monkeypatch.setattr(run.psutil, "wait_procs", lambda *_, **__: None)
    monkeypatch.setattr(run.time, "sleep", lambda _: None)
    return world


def soak() -> Soak:
    """Prepare a soak; a daemon's pid is its name here."""
    daemons = [
        SimpleNamespace(name=name, pid=name, ports={"namenode_http": 1})
        for name in (Trouble.NAMENODE, Trouble.DATANODE)
    ]
    sandbox: Any = SimpleNamespace(
        status=lambda: SimpleNamespace(daemons=daemons),
        up=lambda: None,
        paths=SimpleNamespace(logs=Path()),
    )
    return Soak(sandbox, {}, DROPS, seed=5)


def test_every_drop_is_put_once_in_batches_of_one_group(world: World) -> None:
    """The next group waits while a batch runs: none has more than three files, none is left."""
    run = soak()
    run.run()
    taken = Counter(name for batch in world.batches for name in batch)
    assert taken == Counter(file.name for file in run.files)
    assert len(taken) == DROPS
    assert {len(batch) for batch in world.batches} == {1, 2, 3}
    assert len(run.batches) == len(world.batches)
    assert all(batch.java_bytes == 2 for batch in run.batches)


def test_kills_come_as_planned_and_heaps_are_measured_when_idle(world: World) -> None:
    """The first heap lies between the first window and the first kill, the second at the end."""
    run = soak()
    run.run()
    plan = Plan.of(DROPS)
    (first, _), (last, _) = [each for each in world.events if each[1] == "heap"]
    assert plan.first.stop < first < min(plan.troubles) + 2
    assert last == len(world.batches)
    kills = [each for each in world.events if each[1] != "heap"]
    assert [what for _, what in kills] == [plan.troubles[at] for at in sorted(plan.troubles)]
    assert min(at for at, _ in kills) >= first
    assert Counter(run.killed) == Counter(plan.troubles.values())


def test_a_stream_that_ends_by_itself_is_told_with_its_log(world: World) -> None:
    """The run does not wait for what cannot come."""
    world.exit_code = 3
    with pytest.raises(SoakError, match="ended with 3 after 0 batches"):
        soak().run()
