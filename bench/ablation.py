"""``python -m bench.ablation``: what each setting of conf/spark-defaults.conf is worth.

Settings of a session are tried in one process, batch by batch in turns: as shipped, then each with
Spark's or Delta's own default in its place, with a batch between that is not timed, as the next one
finds what the one before has left (a snapshot in fifty partitions, say). What is fixed at the start
gets a process of its own, of 2 GB so that all fit, and they take the same drops in turns. The
medians of warm batches are compared. What is not in the file and might be is tried in the same way.
What matters on HDFS only is tried by streams on the sandbox's. The table goes to
docs/performance.md; ``--only hdfs`` (or ``session``, ``start``) tries one of the three, and leaves
the rows of the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from bench import spark_conf
from bench.contenders.client import Contender
from bench.data import Dataset, dataset
from bench.environments import measuring
from bench.hdfs import Hdfs
from bench.measures.history import ROUND, stream_round
from bench.measures.streams import data_of
from bench.places import REPORT
from bench.say import say
from bench.table import put_between, text_between

BEGIN = "<!-- settings: begin (written by `python -m bench.ablation`) -->"
END = "<!-- settings: end -->"
SHIPPED = "as shipped"
Times = dict[str, list[float]]
_WARM_UP_ROUNDS = 2
_WARM_UP_DROPS = 5
_MEMORY = {"spark.driver.memory": "2g"}  # six processes at once must fit into 24 GiB
_CLIENT = "spark.hadoop.dfs.client.block.write.locateFollowingBlock"

OF_SESSION = {
    "spark.sql.shuffle.partitions": "200",
    "spark.databricks.delta.snapshotPartitions": "50",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.inMemoryColumnarStorage.compressed": "true",
    "spark.sql.parquet.outputTimestampType": "INT96",
    "spark.sql.files.maxPartitionBytes": "64m",
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
}
"""Settings that may change between two batches: those of the file with the value that they would
have without it, and, at the end, what is not in the file with the value to try."""

AT_START = {
    "spark.sql.codegen.cache.maxEntries": "100",
    "spark.memory.fraction": "0.6",
    "spark.python.sql.dataFrameDebugging.enabled": "true",
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
}
"""The same of what is fixed when Spark starts."""

_SLOW_CLIENT = {f"{_CLIENT}.initial.delay.ms": "400", f"{_CLIENT}.retries": "5"}
ON_HDFS = {
    f"{_CLIENT}.*": ("400 ms, 5", {"FLO_SPARK": json.dumps(_SLOW_CLIENT)}),
    "metrics_address": ("none: no metrics", {"FLO_METRICS_ADDRESS": ""}),
}
"""What is tried by a stream: its name, the value, and the stream's environment."""


@dataclass(frozen=True)
class Effect:
    """What a batch takes with one setting changed.

    Attributes:
        setting: its name.
        value: the value that was tried.
        seconds: medians of a warm batch, by drop.
        shipped: the same with the settings as shipped.
    """

    setting: str
    value: str
    seconds: tuple[float, ...]
    shipped: tuple[float, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablation", description=__doc__)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--only", choices=("session", "start", "hdfs"))
    options = parser.parse_args(arguments)
    rounds = _WARM_UP_ROUNDS + options.repetitions
    with measuring():
        changes = 2 * rounds * (1 + len(OF_SESSION))
        large = dataset(options.customers, rows=10_000, changes=changes)
        both = (data_of(), large)
        parts: dict[str, Callable[[], list[Effect]]] = {
            "session": lambda: _compare(OF_SESSION, [_in_session(each, rounds) for each in both]),
            "start": lambda: _compare(
                AT_START, [_in_processes(each, options.repetitions) for each in both]
            ),
            "hdfs": lambda: _on_hdfs(options.repetitions),
        }
        for part in [options.only] if options.only else parts:
            publish(REPORT, parts[part](), large.customers)
    return 0


def publish(page: Path, effects: Sequence[Effect], customers: int) -> None:
    """Put the rows of these settings into the table of a page, in the place of earlier ones."""
    earlier = [line for line in text_between(page, BEGIN, END).splitlines() if "| `" in line]
    rows = {line.split("|")[1]: line for line in (*earlier, *map(_row, effects))}
    heading = [
        f"| setting | tried | 10 rows into 20,000 | 10,000 rows into {customers:,} |",
        "|---|---|---|---|",
    ]
    put_between(page, BEGIN, END, "\n".join([*heading, *rows.values()]))


def _compare(tried: Mapping[str, str], times: Sequence[Times]) -> list[Effect]:
    """Turn the times of each data set, by setting, into medians beside those as shipped."""
    medians = [{name: statistics.median(found) for name, found in each.items()} for each in times]
    shipped = tuple(each[SHIPPED] for each in medians)
    return [
        Effect(name, value, tuple(each[name] for each in medians), shipped)
        for name, value in tried.items()
    ]


def _in_session(data: Dataset, rounds: int) -> Times:
    """Take drops in one process, each with another setting changed, round after round."""
    times: Times = {}
    drops = iter(data.changes)
    with _ours(SHIPPED, {}) as ours:
        _load(ours, data, SHIPPED)
        for number in range(rounds):
            for name in (SHIPPED, *OF_SESSION):
                change = {} if name == SHIPPED else {name: OF_SESSION[name]}
                ours.ask("drop", file=str(next(drops)))
                before = ours.ask("configure", settings=change)
                seconds = ours.ask("drop", file=str(next(drops)))["seconds"]
                ours.ask("configure", settings=before)
                if number >= _WARM_UP_ROUNDS:
                    times.setdefault(name, []).append(seconds)
    return _told(times)


def _in_processes(data: Dataset, repetitions: int) -> Times:
    """Take the same drops in several processes, in turns."""
    times: Times = {}
    with ExitStack() as open_ones:
        contenders = {SHIPPED: open_ones.enter_context(_ours(SHIPPED, _MEMORY))}
        for name, value in AT_START.items():
            contenders[name] = open_ones.enter_context(_ours(name, _MEMORY | {name: value}))
        for name, each in contenders.items():
            _load(each, data, name)
        for number, file in enumerate(data.changes[: _WARM_UP_DROPS + repetitions]):
            for name, each in contenders.items():
                seconds = each.ask("drop", file=str(file))["seconds"]
                if number >= _WARM_UP_DROPS:
                    times.setdefault(name, []).append(seconds)
    return _told(times)


def _ours(name: str, further: dict[str, str]) -> Contender:
    return spark_conf.ours(f"ablation-{name}", **further)


def _load(ours: Contender, data: Dataset, name: str) -> None:
    ours.ask("start", root=spark_conf.lake(f"ablation-{name}"))
    ours.ask("load", file=str(data.full))


def _told(times: Times) -> Times:
    for name, found in times.items():
        say(f"    {name}: {statistics.median(found):.2f} s")
    return times


def _on_hdfs(repetitions: int) -> list[Effect]:
    """Try what matters to a stream on HDFS: streams in turns, each on a lake of its own."""
    environments: dict[str, dict[str, str]] = {SHIPPED: {}} | {
        name: further for name, (_, further) in ON_HDFS.items()
    }
    times: Times = {name: [] for name in environments}
    done = 0
    with closing(Hdfs()) as hdfs:
        for _ in range(max(1, repetitions // 2)):
            for number, (name, further) in enumerate(environments.items()):
                times[name] += stream_round(hdfs, f"/bench/ablation-{number}", done, **further)
            done += ROUND
    return _compare({name: value for name, (value, _) in ON_HDFS.items()}, [_told(times)])


def _row(effect: Effect) -> str:
    pairs = [
        f"{tried:.2f} s, shipped {shipped:.2f} s ({tried / shipped:.2f}×)"
        for tried, shipped in zip(effect.seconds, effect.shipped, strict=True)
    ]
    return f"| `{effect.setting}` | `{effect.value}` | {' | '.join((*pairs, '–')[:2])} |"


if __name__ == "__main__":
    sys.exit(main())
