"""The order rule's short ways, for one drop and for a first one: the same as the way for any."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from lake.contract import Column, Contract, load_contract
from lake.settings import Settings
from lake.tables import SNAPSHOTS, TABLES
from streaming.features import complete
from streaming.order import find_steps, fold_snapshots, see_stored, unpack

CONTRACT = load_contract(Settings().contract)
# A site's own: its suppliers always give a platform, and not always the orders online.
OF_A_SITE = CONTRACT.model_copy(
    update={
        "columns": CONTRACT.columns
        | {
            "platform_type": Column(type="text", required=True),
            "order_num_total_ever_online": Column(type="count"),
        }
    }
)
COLUMNS = TABLES[SNAPSHOTS].columns
# Few values, so that rows without a change and rows of the same moment are frequent.
CELLS: dict[str, list[Any]] = {
    "platform_type": ["Online", None],
    "store_type": ["A", None],
    "last_order_date": [date(2021, 5, 5)],
    "last_order_at": [datetime(2021, 5, 5, hour, tzinfo=UTC) for hour in (1, 2)],
    "order_num_total_ever_online": [1, 0, None],
    "customer_value_total_ever_offline": [Decimal("0.00"), None],
    "interested_in_categories_12": [["KADIN"], []],
    "drop_time": [datetime(2021, 12, 20, hour, tzinfo=UTC) for hour in (1, 2)],
}


def draw(
    chance: random.Random, drop_id: str, customers: int, contract: Contract = CONTRACT
) -> list[dict[str, Any]]:
    """Make a drop's rows: some customers twice, some not at all."""
    lacking = chance.sample(contract.optional, chance.randint(0, 3))
    rows = []
    for row_no in range(customers):
        row = {name: chance.choice(values) for name, values in CELLS.items()}
        row |= dict.fromkeys(lacking) | {"warnings": []}
        row["present"] = sorted(set(CONTRACT.columns) - {*lacking, *CONTRACT.of_type("check")})
        row |= {
            "master_id": f"c{chance.randrange(customers)}",
            "drop_id": drop_id,
            "row_no": row_no,
        }
        rows.append(row)
    return rows


def snapshots(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    """Make a frame of them."""
    return spark.createDataFrame(rows, COLUMNS).coalesce(1)


def made_of(snapshots: DataFrame, contract: Contract) -> DataFrame:
    """Make the features of snapshots, and keep them."""
    columns = [f"{value} AS {name}" for name, value in unpack(contract).items()]
    dated = "TIMESTAMP '2021-12-21 00:00:00Z' AS updated_at"
    folded = fold_snapshots(snapshots, contract)
    return complete(folded.selectExpr("master_id", *columns, dated)).localCheckpoint()


@pytest.mark.parametrize("contract", [CONTRACT, OF_A_SITE], ids=["shipped", "of a site"])
def test_a_stored_row_tells_what_it_was_made_of(spark: SparkSession, contract: Contract) -> None:
    """Of each column the place and the value that its snapshots give: so a row can be compared."""
    chance = random.Random(20211221)
    rows = [row for name in "bde" for row in draw(chance, name * 64, 40, contract)]
    features = made_of(snapshots(spark, rows), contract)

    again = see_stored(features, contract)

    expected = fold_snapshots(snapshots(spark, rows), contract).drop("rows").orderBy("master_id")
    assert_df_equality(again.orderBy("master_id"), expected, ignore_nullable=True)
    assert features.where("order_num_total_ever_online IS NULL").isEmpty()


@pytest.mark.parametrize("has_stored", [True, False], ids=["some are stored", "none is"])
def test_one_drop_is_planned_alike_with_an_order_and_without(
    spark: SparkSession, has_stored: bool
) -> None:
    """Every column of every step is the same, for new, older, newer, equal and lacking rows."""
    chance = random.Random(20211220)
    outcomes = set()
    for _ in range(3):
        earlier = [*draw(chance, "b" * 64, 60), *draw(chance, "d" * 64, 60)]
        features = made_of(snapshots(spark, earlier), CONTRACT)
        old = "struct('file' AS file, 1L AS row, struct(*) AS values) AS old"
        stored = see_stored(features.selectExpr("*", old), CONTRACT, "old").localCheckpoint()
        fresh = snapshots(spark, draw(chance, chance.choice(["a", "c", "e"]) * 64, 80))
        candidates = fold_snapshots(fresh, CONTRACT, "drop_id").localCheckpoint()

        in_order, at_once = (
            find_steps(candidates, stored.where(f"{has_stored}"), CONTRACT, one_each=one_each)
            .orderBy("master_id") for one_each in (False, True)
        )  # fmt: skip

        assert_df_equality(at_once, in_order, ignore_nullable=True)
        outcomes.update(row["outcome"] for row in at_once.select("outcome").collect())
    expected = {"inserted", "updated", "unchanged", "stale"} if has_stored else {"inserted"}
    assert outcomes == expected


def test_where_no_customer_occurs_twice_none_is_moved(spark: SparkSession) -> None:
    """The fold of snapshots that have no key in common is each by itself."""
    rows = {row["master_id"]: row for row in draw(random.Random(1), "a" * 64, 80)}
    unique = snapshots(spark, list(rows.values()))

    folded, each = (
        fold_snapshots(unique, CONTRACT, "drop_id", unique=known).orderBy("master_id")
        for known in (False, True)
    )

    assert_df_equality(each, folded, ignore_nullable=True)
