"""P6: the first load, beside the least that such a load can be."""

from __future__ import annotations

import shutil

from bench import spark_conf
from bench.data import dataset
from bench.measures.drops import data_of
from bench.measures.rounds import oracle, require
from bench.measures.settings import FULL, SMALL, Plan
from bench.results import Result, compare
from bench.say import say

_LIMIT = 1.7


def measure(plan: Plan) -> Result:
    """Measure P6: each repetition makes its tables anew, in turns."""
    data = data_of(plan.size)
    expected = oracle(data)[0].digest
    small = dataset(SMALL, rows=10, changes=1)
    times: dict[str, list[float]] = {"ours": [], "floor": []}
    lake, folder = spark_conf.lake("load"), spark_conf.lake("floor")
    with spark_conf.ours() as ours, spark_conf.floor() as floor:
        ours.ask("start", root=lake)
        floor.ask("start", folder=folder)
        for each in (ours, floor):
            for _ in range(plan.warm_up):
                each.ask("load", file=str(small.full))
        for _ in range(min(plan.repetitions, 3)):
            for each in (ours, floor):
                seconds = each.ask("load", file=str(data.full))["seconds"]
                require(each.name, each.ask("digest"), expected, data.full.name)
                times[each.name].append(seconds)
            say(f"    ours {times['ours'][-1]:.1f} s, floor {times['floor'][-1]:.1f} s")
    for place in (lake, folder):
        shutil.rmtree(place, ignore_errors=True)
    what = f"first load of {plan.size:,} rows, CSV to features ÷ CSV as strings, cast, Parquet"
    limit = plan.limit(_LIMIT, FULL)
    return compare("P6", what, plan.size, times["ours"], times["floor"], limit)
