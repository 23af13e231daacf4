"""``make faults SEEDS=200``: the long run, resumable, which writes docs/reliability.md itself."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.yardstick import yardstick
from lake.session import build_session
from lake.settings import Settings
from sandbox import Sandbox
from tests.faults.harness import KILLS_PER_LAKE, make_template, torture
from tests.figures import write_figures

ROOT = Path(__file__).parents[2]
COMMIT = subprocess.run(
    ["git", "describe", "--always", "--dirty", "--exclude=*"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.strip()  # fmt: skip
# What an earlier program came to says nothing of this one.
RESULTS = ROOT / "build" / f"faults-{COMMIT}.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that have no result yet; return 1 where any table differs."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many kills")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--var", type=Path, default=ROOT / "build" / "faults", help="sandbox")
    options = parser.parse_args(arguments)
    lakes = [
        range(start, min(start + KILLS_PER_LAKE, options.first + options.seeds))
        for start in range(options.first, options.first + options.seeds, KILLS_PER_LAKE)
    ]
    _run([lake for lake in lakes if lake[0] not in _done()], options.var.resolve())
    results = _results()
    write_figures("kills", _figures(results))
    return 1 if any(each["differences"] for each in results) else 0


def _run(lakes: list[range], var: Path) -> None:
    if not lakes:
        return
    os.environ["FLO_VAR"] = str(var)
    os.environ.pop("HADOOP_CONF_DIR", None)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    logs = var / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(var)
    sandbox.up()
    env = dict(os.environ)
    spark = build_session(Settings(master="local[1]"), "flo-faults")
    try:
        template = make_template(spark)
        for seeds in lakes:
            result = torture(spark, env, seeds, logs, template)
            _keep(asdict(result))
            print(f"seeds {seeds[0]}–{seeds[-1]}: {len(result.killed)} kills, "
                  f"differences: {dict(result.differences) or 'none'}", flush=True)  # fmt: skip
    finally:
        spark.stop()
        sandbox.wipe()


def _keep(result: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(result) + "\n")


def _results() -> list[dict[str, Any]]:
    if not RESULTS.is_file():
        return []
    return [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()]


def _done() -> set[int]:
    return {each["seeds"][0] for each in _results()}


def _figures(results: list[dict[str, Any]]) -> str:
    kills = [kill for each in results for kill in each["killed"]]
    seeds = sorted(seed for each in results for seed in each["seeds"])
    by_point = Counter(kill["point"] for kill in kills)
    different = Counter[str]()
    for each in results:
        different.update(each["differences"])
    starts = [seconds for each in results for seconds in each["start_seconds"]]
    lines = [
        f"- Commit {COMMIT}, seeds {seeds[0]} to {seeds[-1]}: {len(seeds)} planned kills on "
        f"{len(results)} lakes; "
        f"{len(kills)} met a living driver, the others came after its work was done.",
        f"- Rows compared: {sum(each['rows'] for each in results):,}. "
        f"Rows lost, doubled or different: {different.total()}"
        + (f" ({dict(different)})." if different else "."),
        "",
        "| killed | kills |",
        "|---|---|",
        *(f"| {point} | {count} |" for point, count in sorted(by_point.items())),
        "",
        f"From a start to its first account, median: {statistics.median(starts):.1f} s; "
        f"yardstick {yardstick():.2f} s.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
