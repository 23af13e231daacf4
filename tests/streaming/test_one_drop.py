"""A batch of one drop is planned with a join, one of several drops with an order: both alike."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.contract import Column, Contract, load_contract
from lake.features_writer import OLD
from lake.settings import Settings
from lake.tables import SNAPSHOTS, TABLES
from streaming.features import complete, fold_snapshots, unpack
from streaming.steps import as_placed, pick_candidates, step, step_once

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


@pytest.mark.parametrize("contract", [CONTRACT, OF_A_SITE], ids=["shipped", "of a site"])
def test_a_stored_row_tells_what_it_was_made_of(spark: SparkSession, contract: Contract) -> None:
    """Of each column the place and the value that its snapshots give: so a row can be compared."""
    chance = random.Random(20211221)
    rows = [row for name in "bde" for row in draw(chance, name * 64, 40, contract)]
    folded = fold_snapshots(snapshots(spark, rows), contract)
    now = F.lit(datetime(2021, 12, 21, tzinfo=UTC)).alias("updated_at")
    features = complete(folded.select("master_id", *unpack(contract), now)).localCheckpoint()

    again = as_placed(features.withColumn(OLD, F.lit(None)), contract).drop(OLD)

    expected = folded.drop("rows").orderBy("master_id")
    assert_df_equality(again.orderBy("master_id"), expected, ignore_nullable=True)
    assert features.where("order_num_total_ever_online IS NULL").isEmpty()


def test_one_drop_is_planned_alike_by_join_and_by_order(spark: SparkSession) -> None:
    """Every column of every step is the same, for new, older, newer, equal and lacking rows."""
    chance = random.Random(20211220)
    outcomes = set()
    for _ in range(3):
        earlier = [*draw(chance, "b" * 64, 60), *draw(chance, "d" * 64, 60)]
        now = F.lit(datetime(2021, 12, 21, tzinfo=UTC)).alias("updated_at")
        folded = fold_snapshots(snapshots(spark, earlier), CONTRACT)
        features = complete(folded.select("master_id", *unpack(CONTRACT), now))
        place = (F.lit("file").alias("file"), F.lit(1).cast("bigint").alias("row"))
        old = F.struct(*place, F.struct(*features.columns).alias("values"))
        stored = as_placed(features.withColumn(OLD, old), CONTRACT).localCheckpoint()
        fresh = snapshots(spark, draw(chance, chance.choice(["a", "c", "e"]) * 64, 80))
        candidates = pick_candidates(fresh, CONTRACT).localCheckpoint()

        by_order, by_join = (
            each(candidates, stored, CONTRACT).orderBy("master_id") for each in (step, step_once)
        )

        assert_df_equality(by_join, by_order, ignore_nullable=True)
        outcomes.update(row["outcome"] for row in by_join.select("outcome").collect())
    assert outcomes == {"inserted", "updated", "unchanged", "stale"}
