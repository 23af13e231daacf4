"""Late drops and columns that drops lack: each value is compared by its own place in the order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lake.delta import open_table
from lake.tables import FEATURES
from tests.lakes import DropLake
from tests.oracle import REQUIRED, File, Oracle

MINUTE = 60_000
T0 = 1_640_000_000_000  # 2021-12-20
USUAL = {
    "order_channel": "Mobile", "last_order_channel": "Mobile", "first_order_date": "2020-01-01",
    "last_order_date_online": "", "last_order_date_offline": "2020-01-01",
    "order_num_total_ever_online": "0", "order_num_total_ever_offline": "1",
    "customer_value_total_ever_offline": "10.00", "customer_value_total_ever_online": "0.00",
}  # fmt: skip
SITUATIONS = (
    "between, with a value",
    "between, with an empty field",
    "older than the value's source",
    "tied with the value's source",
    "newer than all",
)
BYSTANDERS = tuple(f"bystander {n}" for n in range(20))
OTHERS = tuple(f"not in the late drop {n}" for n in range(50))
PLATFORMS = ("platform given late", "platform missing late")
AFTERWARDS = {
    "says B again": "B", "says B again, too": "B", "says A as before": "A",
    "is not in the late drop": "B",
}  # fmt: skip
EVERYBODY = (*SITUATIONS, *BYSTANDERS, *OTHERS, *PLATFORMS, *AFTERWARDS)


def drop(minute: int, *rows: dict[str, str]) -> File:
    """Write a drop made at some minute; it has the optional columns that its first row has."""
    names = [*REQUIRED, *(name for name in rows[0] if name not in REQUIRED)]
    lines = [";".join({**USUAL, **row}[name] for name in names) for row in rows]
    text = "\n".join([";".join(names), *lines, ""])
    return File(f"{minute}.csv", text.encode(), T0 + minute * MINUTE)


def said(master_id: str, last: str, **cells: str) -> dict[str, str]:
    """Write what a drop says of a customer."""
    return {"master_id": master_id, "last_order_date": last, **cells}


# The two that are there when the late ones come. The second lacks what the first has.
FIRST = drop(1, *(said(each, "2021-01-01", store_type="A", interested_in_categories_12="[X]")
                  for each in (*EVERYBODY, "filled by a stale row")))  # fmt: skip
NEWEST = drop(9, *(said(each, "2021-04-01") for each in EVERYBODY))
# Made between the two.
LATE = drop(
    5,
    said("between, with a value", "2021-02-01", store_type="B"),
    said("between, with an empty field", "2021-02-01", store_type=""),
    said("older than the value's source", "2020-12-01", store_type="C"),
    said("tied with the value's source", "2021-01-01", store_type="D"),
    said("newer than all", "2021-05-01", store_type="E"),
    said("never seen before", "2021-02-01", store_type="F"),
    *(said(each, "2020-02-01", store_type="G") for each in BYSTANDERS),
    *(said(each, "2021-02-01", store_type="B") for each in list(AFTERWARDS)[:3]),
)
LATE_PLATFORM = drop(
    6,
    said(PLATFORMS[0], "2021-02-01", platform_type="OmniChannel"),
    said(PLATFORMS[1], "2021-02-01", platform_type=""),
)
# The second is made later and is older by its last order: stale, once the first is applied.
NEWER = drop(7, said("filled by a stale row", "2021-01-01T00:00:00.002+03:00"))
STALE = drop(8, said("filled by a stale row", "2021-01-01T00:00:00.001+03:00", store_type="B"))
# Says what the winner said, and a store.
AFTER = drop(10, *(said(each, "2021-04-01", store_type=AFTERWARDS[each]) for each in AFTERWARDS))
LATE_BATCH = (LATE, LATE_PLATFORM, NEWER, STALE, AFTER)


def put_and_take(lake: DropLake, *files: File) -> dict[str, dict[str, Any]]:
    """Take files in as one batch, and return the accounts by the files' names."""
    for file in files:
        lake.put(file.name, file.content, modified_ms=file.modified_ms)
    accounts = lake.take(*(file.name for file in files))
    return {each["path"].rsplit("/", 1)[-1]: each for each in accounts}


def count(account: dict[str, Any]) -> dict[str, int]:
    """The outcomes of a drop that are not 0."""
    names = ("inserted", "updated", "unchanged", "stale", "superseded")
    return {name: account[f"rows_{name}"] for name in names if account[f"rows_{name}"]}


@dataclass(frozen=True)
class LateLake:
    """A lake before and after the late drops."""

    lake: DropLake
    before: dict[str, Any]
    accounts: dict[str, dict[str, Any]]
    metrics: dict[str, str]


@pytest.fixture(scope="module")
def late(new_lake: Callable[[], DropLake]) -> LateLake:
    """Take the first and the newest drop in, and then the late ones."""
    lake = new_lake()
    put_and_take(lake, FIRST)
    put_and_take(lake, NEWEST)
    before = dict(lake.features("master_id", "updated_at"))
    accounts = put_and_take(lake, *LATE_BATCH)
    history = open_table(lake.spark, lake.settings, FEATURES).history(1)
    [(metrics,)] = history.select("operationMetrics").collect()
    return LateLake(lake, before, accounts, metrics)


@pytest.mark.parametrize(
    ("customer", "store"),
    [
        ("between, with a value", "B"),
        ("between, with an empty field", None),
        ("older than the value's source", "A"),
        ("tied with the value's source", "D"),
        ("newer than all", "E"),
        ("never seen before", "F"),
        ("bystander 7", "A"),
        ("not in the late drop 7", "A"),
    ],
)
def test_an_absent_column_has_the_value_of_the_greatest_row_with_it(
    customer: str, store: str | None, late: LateLake
) -> None:
    """A late row gives what the winner's drop lacked, if it is the greatest that has the column.

    An empty field says "missing" and counts; a column that the late drop lacks is left alone.
    """
    [row] = late.lake.table(FEATURES).where(f'master_id = "{customer}"').collect()
    assert row["store_type"] == store
    is_new = customer == "never seen before"
    assert row["interested_in_categories_12"] == (None if is_new else ["X"])
    came_late = customer in ("newer than all", "never seen before")
    assert row["drop_id"] == (LATE if came_late else NEWEST).drop_id


def test_a_late_platform_is_believed(late: LateLake) -> None:
    """A platform derived for want of the column gives way to one that a late drop has."""
    columns = ("master_id", "platform_type", "platform_type_derived")
    rows = {each[0]: each[1:] for each in late.lake.features(*columns)}
    assert [rows[each] for each in PLATFORMS] == [("OmniChannel", False), ("Offline", True)]


def test_a_late_row_counts_as_stale_even_where_it_fills_a_column(late: LateLake) -> None:
    """What counts is whether the row became the customer's newest."""
    fills = len(SITUATIONS) - 1 + len(BYSTANDERS) + 3
    assert count(late.accounts[LATE.name]) == {"inserted": 1, "updated": 1, "stale": fills}
    assert count(late.accounts[LATE_PLATFORM.name]) == {"stale": 2}


def test_counts_are_those_of_one_drop_after_the_other(late: LateLake) -> None:
    """In a batch, a row after a late one is compared with what the late one made of the customer.

    So what says B after the late drop said B is unchanged, and what says A as ever is an update.
    """
    assert count(late.accounts[AFTER.name]) == {"unchanged": 2, "updated": 2}
    stores = dict(late.lake.features("master_id", "store_type"))
    assert {each: stores[each] for each in AFTERWARDS} == AFTERWARDS


def test_a_stale_row_that_fills_a_column_is_a_change(late: LateLake) -> None:
    """Also within one batch, `updated_at` stays only where no value changes."""
    customer = "filled by a stale row"
    assert count(late.accounts[STALE.name]) == {"stale": 1}
    [row] = late.lake.table(FEATURES).where(f"master_id = '{customer}'").collect()
    assert (row["store_type"], row["drop_id"]) == ("B", NEWER.drop_id)
    assert row["updated_at"] > late.before[customer]


def test_only_customers_that_change_are_rewritten(late: LateLake) -> None:
    """Written are the customers of whom a value changes, or which snapshot it is from."""
    changed = {
        "between, with a value",
        "between, with an empty field",
        "tied with the value's source",
        "newer than all",
        "platform given late",
        "filled by a stale row",
        *AFTERWARDS,
    }
    # That the platform is missing is told by a later row now; the value stays.
    told_later = {PLATFORMS[1]}
    assert late.metrics["numTargetRowsUpdated"] == str(len(changed | told_later))
    assert late.metrics["numTargetRowsInserted"] == "1"
    after = dict(late.lake.features("master_id", "updated_at"))
    assert {each for each in late.before if after[each] != late.before[each]} == changed


def test_late_or_in_time_makes_no_difference(late: LateLake, lake: DropLake) -> None:
    """The same drops at once, and in the oracle, give the same features."""
    drops = (FIRST, NEWEST, *LATE_BATCH)
    put_and_take(lake, *drops)
    assert lake.features() == late.lake.features()
    oracle = Oracle()
    oracle.take(drops)
    columns = ("master_id", "store_type", "platform_type", "row_no", "drop_id")
    told = [tuple(each[name] for name in columns) for each in oracle.features()]
    assert lake.features(*columns) == told
