"""Kill a real stream again and again, and compare its tables with what the oracle says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import TimeoutExpired
from uuid import uuid4

from pyspark.sql import SparkSession

from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, SNAPSHOTS, table_path
from streaming.supervisor import Supervisor
from tests.expected import differences, oracle_of
from tests.faults.drops import MadeDrop, make_drops
from tests.faults.world import put
from tests.lakes import DropLake
from tests.processes import Stream

# What the driver passes on its way through a batch; see lake/failpoint.py.
NAMED = (
    "before_batch",
    "after_snapshots",
    "after_quarantine",
    "after_merge",
    "after_ledger",
    "during_archive",
    "after_archive",
    "after_batch",
)
DELTA_CHECKPOINT = "delta_checkpoint"
AT_RANDOM = "at_random"
POINTS = (*NAMED, DELTA_CHECKPOINT, AT_RANDOM, AT_RANDOM)
KILLS_PER_LAKE = 20
DROPS_PER_LAKE = 60
# One drop after the other, so that there is a batch to break for every kill.
_BATCH = 2
_LONGEST_RUN = 180


@dataclass(frozen=True)
class Kill:
    """One kill: where, and after how many passages (or seconds, at random)."""

    seed: int
    point: str
    passage: int
    seconds: float

    @classmethod
    def of(cls, seed: int) -> Kill:
        """Derive a kill from its seed: the points in turn, the rest at random."""
        random = Random(seed)
        return cls(seed, POINTS[seed % len(POINTS)], random.choice((1, 1, 2)), random.uniform(0, 9))


@dataclass(frozen=True)
class LakeResult:
    """What came of one lake.

    Attributes:
        killed: the kills whose process was indeed killed, not too late.
        differences: rows that the oracle has otherwise, by table.
        rows: how many rows of the drops were compared.
        start_seconds: from each stream's start to its first account; the last start is one that
            nobody kills.
    """

    seeds: tuple[int, ...]
    killed: tuple[Kill, ...]
    differences: Mapping[str, int]
    rows: int
    start_seconds: tuple[float, ...]


def torture(
    spark: SparkSession,
    env: Mapping[str, str],
    seeds: range,
    logs: Path,
    template: DropLake,
    drops_per_lake: int = DROPS_PER_LAKE,
    *,
    finish_here: bool = False,
) -> LakeResult:
    """Run one lake through the kills of these seeds, then to its end, and compare it.

    Args:
        spark: a session for looking at the tables.
        env: of the sandbox, for the streams.
        seeds: one kill each; the first one also makes the drops.
        logs: where the streams' logs go.
        template: a lake with empty tables.
        drops_per_lake: enough that each kill finds a batch to break.
        finish_here: have this process run the last stream, the one that nobody kills.
    """
    drops = make_drops(seeds[0], drops_per_lake)
    lake = _fill(template, drops)
    killed, starts = [], []
    for kill in map(Kill.of, seeds):
        stream = _start(lake, env, logs / f"seed_{kill.seed}.log", kill)
        if _await_kill(stream, kill, lake):
            killed.append(kill)
        starts.append(_seconds_to_first_account(stream))
    if finish_here:
        assert Supervisor(spark, lake.settings, lake.contract, once=True).run() == 0
    else:
        starts.append(_finish(lake, env, logs / f"seed_{seeds[0]}_last.log"))
    oracle = oracle_of(drops)
    found = {name: len(rows) for name, rows in differences(lake, oracle).items()}
    if left := lake.files.list(lake.settings.landing):
        found["landing"] = len(left)
    rows = sum(account["read"] for account in oracle.accounts)
    known = tuple(seconds for seconds in starts if seconds is not None)
    return LakeResult(tuple(seeds), tuple(killed), found, rows, known)


def make_template(spark: SparkSession) -> DropLake:
    """Make a lake whose tables checkpoint their logs often, so that kills meet it."""
    template = DropLake(spark, Settings(root=f"/faults/template-{uuid4().hex[:8]}"))
    template.initialise()
    for name in (FEATURES, SNAPSHOTS, LEDGER):
        spark.sql(
            f"ALTER TABLE delta.`{table_path(template.settings, name)}` "
            "SET TBLPROPERTIES ('delta.checkpointInterval' = '3')"
        )
    return template


def _fill(template: DropLake, drops: list[MadeDrop]) -> DropLake:
    lake = template.copy()
    put(lake, drops)
    return lake


def _start(lake: DropLake, env: Mapping[str, str], log: Path, kill: Kill | None = None) -> Stream:
    own = {**env, "FLO_ROOT": lake.settings.root, "FLO_MAX_FILES_PER_BATCH": str(_BATCH)}
    if kill is None:
        own["FLO_MAX_FILES_PER_BATCH"] = "20"
    elif kill.point in NAMED:
        own["FLO_FAILPOINT"] = f"{kill.point}:{kill.passage}"
    return Stream(log, "--once", env=own)


def _await_kill(stream: Stream, kill: Kill, lake: DropLake) -> bool:
    """Kill it as planned, and tell whether it was alive until then."""
    try:
        if kill.point == AT_RANDOM:
            _kill_after(stream, kill.seconds)
        elif kill.point == DELTA_CHECKPOINT:
            _kill_in_delta_checkpoint(stream, lake)
        return stream.end(_LONGEST_RUN) == -9
    except TimeoutExpired:
        raise AssertionError(f"the stream hangs; see {stream.log}") from None
    finally:
        stream.close()


def _kill_after(stream: Stream, seconds: float) -> None:
    stream.wait_for("event=watching", seconds=_LONGEST_RUN)
    until = time.monotonic() + seconds
    while time.monotonic() < until and stream.process.poll() is None:
        time.sleep(0.01)
    if stream.process.poll() is None:
        stream.kill()


def _kill_in_delta_checkpoint(stream: Stream, lake: DropLake) -> None:
    """Kill when the features' log shows the first sign of a new checkpoint being written."""
    folder = f"{table_path(lake.settings, FEATURES)}/_delta_log"
    before = _checkpoints(lake, folder)
    while stream.process.poll() is None:
        if _checkpoints(lake, folder) - before:
            stream.kill()
            return


def _checkpoints(lake: DropLake, folder: str) -> set[str]:
    return {info.name for info in lake.files.list(folder) if "checkpoint" in info.name}


def _finish(lake: DropLake, env: Mapping[str, str], log: Path) -> float | None:
    """Run the stream to its end, undisturbed; return the seconds to its first account."""
    stream = _start(lake, env, log)
    try:
        code = stream.end(_LONGEST_RUN)
        assert code == 0, f"the stream ended with {code}; see {log}:\n{stream.text()[-3000:]}"
    finally:
        stream.close()
    return _seconds_to_first_account(stream)


def _seconds_to_first_account(stream: Stream) -> float | None:
    at = stream.first_time_of("event=drop")
    return None if at is None else at - stream.started_at
