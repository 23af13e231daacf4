"""Compare the ledger and the features after a soak with the oracle, drop by drop, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.oracle import OUTCOMES, File, Oracle
from tests.processes import run_json

_COUNTS = ("read", "accepted", "quarantined", *OUTCOMES)
_LEDGER = (
    "SELECT element_at(split(path, '/'), -1) AS name, drop_id, state, batch_id, "
    "unix_millis(started_at) AS started, unix_millis(finished_at) AS finished, "
    + ", ".join(f"rows_{name} AS {name}" for name in _COUNTS)
    + " FROM flo.drops ORDER BY started_at"
)
# Every drop has all columns of the base layout, so the winning row says all of a customer.
_FEATURES = (
    "SELECT master_id, drop_id, row_no, order_num_total, customer_value_total "
    "FROM flo.customer_features"
)


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        states: drops per state.
        rows: the sums of the ledger's counts.
        customers: rows of the features.
        drops_different: drops with no account, more than one, or another than expected.
        customers_different: the same for customers.
        ledger_seconds: by the time in ms at which a batch finished by the ledger's clock, how
            long it took from its start until its accounts were written.
    """

    states: Mapping[str, int]
    rows: Mapping[str, int]
    customers: int
    drops_different: int
    customers_different: int
    ledger_seconds: Mapping[int, float]


def compare(files: Sequence[File], unreadable: set[str], env: Mapping[str, str]) -> Comparison:
    """Ask the tables by ``flo sql``, and compare them with what these files must give.

    Args:
        files: all that was put.
        unreadable: names of those of which no row can be read: the oracle knows tidy drops only.
    """
    ledger = run_json("flo", "sql", _LEDGER, env=env)
    features = run_json("flo", "sql", _FEATURES, env=env)
    by_batch: dict[tuple[int, int], list[str]] = defaultdict(list)
    for row in ledger:
        by_batch[row["started"], row["batch_id"]].append(row["name"])
    oracle = Oracle()
    known = {file.name: file for file in files}
    for names in by_batch.values():
        oracle.take(known[name] for name in set(names) - unreadable if name in known)
    refused = [known[name] for name in sorted(unreadable)]
    expected = Counter(_account(each) for each in oracle.accounts)
    expected.update(_account(_refused(file)) for file in refused)
    wanted = Counter(_customer(each) for each in oracle.features())
    return Comparison(
        states=dict(Counter(row["state"] for row in ledger)),
        rows={name: sum(int(row[name]) for row in ledger) for name in _COUNTS},
        customers=len(features),
        drops_different=_different(expected, Counter(map(_account, ledger)))
        + len(known.keys() - {row["name"] for row in ledger}),
        customers_different=_different(wanted, Counter(map(_customer, features))),
        ledger_seconds={
            int(row["finished"]): (int(row["finished"]) - int(row["started"])) / 1000
            for row in ledger
        },
    )


def _refused(file: File) -> dict[str, Any]:
    nothing = dict.fromkeys(_COUNTS, 0)
    return {"name": file.name, "drop_id": file.drop_id, "state": "rejected"} | nothing


def _account(row: Mapping[str, Any]) -> tuple[Any, ...]:
    counts = (int(row[name]) for name in _COUNTS)
    return row["name"], row["drop_id"], row["state"], *counts


def _customer(row: Mapping[str, Any]) -> tuple[Any, ...]:
    orders, worth = int(row["order_num_total"]), str(row["customer_value_total"])
    return row["master_id"], row["drop_id"], int(row["row_no"]), orders, worth


def _different(expected: Counter[tuple[Any, ...]], found: Counter[tuple[Any, ...]]) -> int:
    """Count the keys (the first of each tuple) of which something is missing or too much."""
    return len({each[0] for each in ((expected - found) + (found - expected))})
