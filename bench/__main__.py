"""``make bench``: run the measures, keep what they find, and write the table.

A run of all measures begins anew; one of single measures (``--only``) puts its results in the
place of those of the run before, so that an interrupted run can be gone on with. Where all have to
be done by a certain time, P8 and P9 are left out if they would not be: then their former results
stay, which depend on no size.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import cache

from bench.environments import measuring
from bench.errors import BenchError
from bench.hdfs import Hdfs
from bench.measures import drops, history, kpis, load, memory, streams
from bench.measures.settings import FULL, MILLION, Plan
from bench.places import REPORT, RESULTS
from bench.results import Result, merge, number, save
from bench.results import load as load_results
from bench.say import say
from bench.table import MARKS, write_report

Groups = tuple[tuple[set[str], Callable[[set[str]], list[Result]]], ...]
# What these take at least, in seconds.
_LONG = {"P8": 6 * 60, "P9": 8 * 60}
IDS = tuple(f"P{place}" for place in range(1, 14))
# The run at a million customers, with what it takes to start, should end within 25 minutes.
_SECONDS = 23 * 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 where all was measured, whatever was found, and 2 where something could not be."""
    options = _parse(arguments)
    wanted = set(options.only)
    plan = Plan(
        size=options.size,
        repetitions=options.repetitions or (5 if options.size != MILLION else 3),
        warm_up=_default_warm_up(options.size) if options.warm_up is None else options.warm_up,
        seconds=None if options.size >= FULL else _SECONDS,
    )
    with measuring():
        results, left_out = _run(plan, wanted)
    for each in sorted(results, key=number):
        verdict = {True: "holds", False: "DOES NOT HOLD", None: "no limit at this size"}
        limit = "" if each.limit is None else f" (at most {each.limit})"
        say(f"{each.id:4} {each.ratio:8.3f}{limit}: {verdict[each.holds]}. {each.what}")
    missing = wanted - {each.id for each in results} - left_out
    if missing:
        say(f"bench: {', '.join(sorted(missing, key=IDS.index))} could not be measured, see above.")
    return 2 if missing else 0


def _run(plan: Plan, wanted: set[str]) -> tuple[list[Result], set[str]]:
    """Run group after group, and keep what is found at once; tell it, and what was left out."""
    began = time.monotonic()
    deadline = None if plan.seconds is None else began + plan.seconds
    kept, whole = load_results(RESULTS), wanted == set(IDS)
    if whole:
        kept = [each for each in kept if deadline is not None and each.id in _LONG]
    found: list[Result] = []
    left_out: set[str] = set()
    with ExitStack() as services:
        hdfs = cache(lambda: services.enter_context(closing(Hdfs())))
        groups: Groups = (
            ({"P1", "P2", "P3", "P4", "P5"}, lambda ids: drops.measure(plan, ids)),
            ({"P6"}, lambda _: [load.measure(plan)]),
            ({"P10"}, lambda _: [kpis.measure(plan)]),
            ({"P13"}, lambda _: [memory.measure(plan, hdfs())]),
            ({"P7", "P11", "P12"}, lambda ids: streams.measure(plan, hdfs(), ids)),
            ({"P9"}, lambda _: [history.many_files(plan, hdfs())]),
            # Last, as it goes as far as there is time for.
            ({"P8"}, lambda _: [history.many_drops(hdfs(), deadline)]),
        )
        for ids, measure in groups:
            if not ids & wanted:
                continue
            chosen = sorted(ids & wanted, key=IDS.index)
            if len(wanted) > 1 and _too_long(chosen, deadline):
                say(f"{chosen[0]} is left out for time: python -m bench --only {chosen[0]}")
                left_out.update(chosen)
                continue
            say(f"{', '.join(chosen)} ({time.monotonic() - began:.0f} s)")
            try:
                found += measure(set(chosen))
            except BenchError as error:
                # What else is asked for is measured all the same.
                say(f"bench: {error}")
            kept = merge(kept, found)
            save(RESULTS, kept)
            if plan.size in MARKS:
                write_report(REPORT, kept if whole else found, plan.size, whole=whole)
    say(f"{RESULTS} is written after {(time.monotonic() - began) / 60:.1f} minutes.")
    return found, left_out


def _default_warm_up(size: int) -> int:
    """Fewer where the run should end in time."""
    return 2 if size == MILLION else Plan.warm_up


def _too_long(chosen: Sequence[str], deadline: float | None) -> bool:
    least = sum(_LONG.get(each, 0) for each in chosen)
    return least > 0 and deadline is not None and time.monotonic() + least > deadline


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--size", type=int, default=FULL, help="customers in the large table")
    parser.add_argument("--only", type=_ids, default=IDS, help="measures, such as P4,P7")
    parser.add_argument("--repetitions", type=int, help="timed ones of each contender")
    parser.add_argument("--warm-up", type=int, help="repetitions before them")
    return parser.parse_args(arguments)


def _ids(text: str) -> tuple[str, ...]:
    chosen = tuple(each.strip().upper() for each in text.split(","))
    unknown = [each for each in chosen if each not in IDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {IDS[0]} to {IDS[-1]}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
