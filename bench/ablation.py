"""``python -m bench.ablation``: what each setting of conf/spark-defaults.conf is worth.

One process has the settings as they are shipped, and one for each setting has Spark's, Delta's or
Hadoop's own default in its place. All take the same drops in turns; the median of a warm batch is
compared. What is not in the file and might be is tried in the same way. Settings of HDFS's client
are tried by a stream on the sandbox's HDFS. The table goes to docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from bench import spark_conf
from bench.contenders.client import Contender
from bench.data import Dataset, dataset
from bench.environments import measuring
from bench.hdfs import Hdfs
from bench.measures.history import ROUND, stream_round
from bench.measures.streams import data_of
from bench.places import REPORT
from bench.say import say
from bench.table import put_between

BEGIN = "<!-- settings: begin (written by `python -m bench.ablation`) -->"
END = "<!-- settings: end -->"
SHIPPED = "as shipped"
_CLIENT = "spark.hadoop.dfs.client.block.write.locateFollowingBlock"

DEFAULTS = {
    "spark.sql.shuffle.partitions": "200",
    "spark.databricks.delta.snapshotPartitions": "50",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.files.maxPartitionBytes": "128m",
    "spark.sql.codegen.cache.maxEntries": "100",
    "spark.sql.inMemoryColumnarStorage.compressed": "true",
    "spark.sql.streaming.minBatchesToRetain": "100",
}
"""Settings of the file, with the value that they would have without it."""

CANDIDATES = {
    "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
    "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
}
"""Settings that are not in the file, with the value to try."""

ON_HDFS = {f"{_CLIENT}.initial.delay.ms": "400", f"{_CLIENT}.retries": "5"}
"""The same for HDFS's client; both together, as they are one decision."""


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
    """Try all, or those that are named, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ablation", description=__doc__)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args(arguments)
    with measuring():
        large = dataset(options.customers, rows=10_000, changes=2 + options.repetitions)
        effects = _local((data_of(), large), options.repetitions)
        effects.append(_on_hdfs(options.repetitions))
    put_between(REPORT, BEGIN, END, _table(effects, large.customers))
    return 0


def _local(data: Sequence[Dataset], repetitions: int) -> list[Effect]:
    """Try the settings of Spark and Delta, with a small drop and with a large one."""
    tried = DEFAULTS | CANDIDATES
    medians: dict[str, list[float]] = {name: [] for name in (SHIPPED, *tried)}
    for each in data:
        say(f"  {each.customers:,} customers, drops of {each.rows:,} rows")
        for name, seconds in _in_turns(each, tried, repetitions).items():
            medians[name].append(seconds)
            say(f"    {name}: {seconds:.2f} s")
    shipped = tuple(medians.pop(SHIPPED))
    return [Effect(name, tried[name], tuple(found), shipped) for name, found in medians.items()]


def _in_turns(data: Dataset, tried: dict[str, str], repetitions: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    with ExitStack() as open_ones:
        contenders = {SHIPPED: open_ones.enter_context(_ours(SHIPPED, {}))}
        for name, value in tried.items():
            contenders[name] = open_ones.enter_context(_ours(name, {name: value}))
        for name, each in contenders.items():
            each.ask("start", root=spark_conf.lake(f"ablation-{name}"))
            each.ask("load", file=str(data.full))
        for number, file in enumerate(data.changes[: 2 + repetitions]):
            for name, each in contenders.items():
                seconds = each.ask("drop", file=str(file))["seconds"]
                if number >= 2:
                    times.setdefault(name, []).append(seconds)
    return {name: statistics.median(found) for name, found in times.items()}


def _ours(name: str, further: dict[str, str]) -> Contender:
    return spark_conf.ours(f"ablation-{name}", **further)


def _on_hdfs(repetitions: int) -> Effect:
    """Try the settings of HDFS's client: two streams in turns."""
    times: dict[str, list[float]] = {SHIPPED: [], "tried": []}
    done = 0
    with closing(Hdfs()) as hdfs:
        for _ in range(max(1, repetitions // 2)):
            for name in times:
                root = f"/bench/{name.replace(' ', '-')}"
                further = {"FLO_SPARK": json.dumps(ON_HDFS)} if name == "tried" else {}
                times[name] += stream_round(hdfs, root, done, **further)
            done += ROUND
    shipped, tried = (statistics.median(found) for found in times.values())
    return Effect(f"{_CLIENT}.*", "400 ms, 5", (tried,), (shipped,))


def _table(effects: Sequence[Effect], customers: int) -> str:
    lines = [
        f"| setting | tried | 10 rows into 20,000 | 10,000 rows into {customers:,} |",
        "|---|---|---|---|",
    ]
    for each in effects:
        pairs = [f"{a:.2f} s, shipped {b:.2f} s ({a / b:.2f}×)"
                 for a, b in zip(each.seconds, each.shipped, strict=True)]  # fmt: skip
        lines.append(f"| `{each.setting}` | `{each.value}` | {' | '.join((*pairs, '–')[:2])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
