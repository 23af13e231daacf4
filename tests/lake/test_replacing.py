"""A commit that replaces rows at known places: all of it, or nothing, and on no other rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from delta.exceptions import ConcurrentAppendException
from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import streaming.write
from lake.conflicts import OvertakenError
from lake.delta import newest_snapshot, open_table
from lake.errors import ConfigError, TransientError
from lake.replacing import OLD, Replacement, Sizes, placed, with_old
from lake.settings import Settings
from lake.tables import FEATURES, table_path
from tests.lakes import DropLake, csv, row

PEOPLE = [f"c{number}" for number in range(6)]


@pytest.fixture(scope="module")
def original(new_lake: Callable[[], DropLake]) -> DropLake:
    """A lake with six customers, in one file; only to be copied."""
    lake = new_lake()
    lake.put("people.csv", csv(*(row(each) for each in PEOPLE)))
    lake.take()
    return lake


@pytest.fixture
def people(original: DropLake) -> DropLake:
    """A copy of it."""
    return original.copy()


def known(lake: DropLake) -> DataFrame:
    """The customers, each with its ``old``."""
    return with_old(placed(lake.table(FEATURES)))


def renamed(rows: DataFrame, store: str | Column) -> DataFrame:
    """The rows with another store."""
    return rows.withColumn("store_type", F.lit(store))


def sizes(rows: DataFrame) -> Sizes:
    """Count rows to write."""
    found = rows.select(OLD).collect()
    files = {each[OLD]["file"] for each in found if each[OLD]}
    updates = sum(each[OLD] is not None for each in found)
    return Sizes(len(found) - updates, updates, files)


def replace(lake: DropLake, store: str, *names: str) -> int:
    """Give some customers another store."""
    begun = Replacement(lake.spark, lake.fence(), FEATURES)
    rows = renamed(known(lake).where(F.col("master_id").isin(list(names))), store)
    return begun.commit(rows, sizes(rows))


def stores(lake: DropLake) -> dict[str, str | None]:
    """Each customer's store."""
    found = lake.features("master_id", "store_type")
    assert len(found) == len(dict(found))
    return dict(found)


def files_of(lake: DropLake) -> int:
    """Count the files of the customers."""
    return int(newest_snapshot(lake.spark, lake.settings, FEATURES).numOfFiles())


def test_rows_replaced_before_do_not_come_back(people: DropLake) -> None:
    """A file that loses rows twice has lost all of them; the others stay as they are."""
    replace(people, "A", "c0", "c1")
    replace(people, "B", "c1", "c2")
    replace(people, "C", "c2", "c3")
    assert stores(people) == dict(zip(PEOPLE, ["A", "B", "C", "C", None, None], strict=True))


def test_a_file_that_loses_its_last_row_goes(people: DropLake) -> None:
    """A file of which all rows are replaced, at once or in steps, is no longer in the table."""
    replace(people, "A", *PEOPLE[:4])
    assert files_of(people) == 2
    replace(people, "A", *PEOPLE[4:])
    assert files_of(people) == 2
    replace(people, "B", *PEOPLE)
    assert files_of(people) == 1
    assert set(stores(people).values()) == {"B"}


def test_the_change_feed_tells_each_row_as_it_was_and_is(people: DropLake) -> None:
    """For a reader of the feed it is what a MERGE would have told, new rows and history too."""
    begun = Replacement(people.spark, people.fence(), FEATURES)
    rows = known(people).where("master_id = 'c0'")
    new = rows.withColumns(
        {"master_id": F.lit("new"), OLD: F.lit(None).cast(rows.schema[OLD].dataType)}
    )
    both = renamed(rows.unionByName(new), "A")
    version = begun.commit(both, sizes(both))
    feed = people.spark.read.format("delta").option("readChangeFeed", "true")
    changes = feed.option("startingVersion", version).load(table_path(people.settings, FEATURES))
    told = changes.select("_change_type", "master_id", "store_type", "_commit_version").collect()
    assert sorted(map(tuple, told)) == [
        ("insert", "new", "A", version),
        ("update_postimage", "c0", "A", version),
        ("update_preimage", "c0", None, version),
    ]
    [newest] = open_table(people.spark, people.settings, FEATURES).history(1).collect()
    assert newest["operation"] == "MERGE"
    told = {
        name: newest["operationMetrics"][name]
        for name in ("numTargetRowsInserted", "numTargetRowsUpdated")
    }
    assert told == {"numTargetRowsInserted": "1", "numTargetRowsUpdated": "1"}


def compact(lake: DropLake) -> None:
    """Put the rows of all files together in one."""
    open_table(lake.spark, lake.settings, FEATURES).optimize().executeCompaction()


def add(lake: DropLake) -> None:
    """Add a row, as an INSERT does."""
    copy = lake.table(FEATURES).limit(1).withColumn("master_id", F.lit("added"))
    copy.write.format("delta").mode("append").save(table_path(lake.settings, FEATURES))


OTHERS: dict[str, Callable[[DropLake], object]] = {"compaction": compact, "insert": add}


@pytest.mark.parametrize("other", OTHERS)
def test_what_came_in_between_is_not_overwritten(people: DropLake, other: str) -> None:
    """Rows that were read before another commit are not written after it: places and values may
    be others."""
    replace(people, "A", "c0")
    begun = Replacement(people.spark, people.fence(), FEATURES)
    rows = renamed(known(people).where("master_id = 'c0'"), "B").persist()
    found = sizes(rows)
    OTHERS[other](people)
    before = people.features()
    with pytest.raises(OvertakenError):
        begun.commit(rows, found)
    assert people.features() == before


@pytest.mark.parametrize("other", OTHERS)
def test_delta_itself_refuses_what_came_at_the_last_moment(
    people: DropLake, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a commit right before ours, when we have looked for one already, is not overwritten."""
    replace(people, "A", "c0")
    begun = Replacement(people.spark, people.fence(), FEATURES)
    rows = renamed(known(people).where("master_id = 'c0'"), "B").persist()
    found = sizes(rows)
    tell = begun._tell

    def late(told: Sizes) -> None:
        OTHERS[other](people)
        tell(told)

    monkeypatch.setattr(begun, "_tell", late)
    with pytest.raises(ConcurrentAppendException):
        begun.commit(rows, found)
    assert stores(people)["c0"] == "A"


def test_a_batch_that_is_overtaken_looks_again(
    people: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a compaction between plan and commit, the plan is made anew and nothing is lost."""
    replace(people, "A", "c5")
    plan = streaming.write.plan_upsert
    plans = []

    def plan_and_compact(*args: Any, **options: Any) -> object:
        plans.append(plan(*args, **options))
        if len(plans) == 1:
            compact(people)
        return plans[-1]

    monkeypatch.setattr(streaming.write, "plan_upsert", plan_and_compact)
    people.put("more.csv", csv(row("c0", last="2021-05-05"), row("c9")))
    [account] = people.take()
    assert (account["rows_updated"], account["rows_inserted"]) == (1, 1)
    assert len(plans) == 2
    assert set(stores(people)) == {*PEOPLE, "c9"}


def test_what_the_table_forbids_is_not_written(people: DropLake) -> None:
    """The table's constraints hold for this commit as for every other."""
    begun = Replacement(people.spark, people.fence(), FEATURES)
    rows = known(people).where("master_id = 'c0'")
    rows = rows.withColumn("order_num_total", F.lit(-1).cast("bigint"))
    with pytest.raises(Py4JJavaError, match="filled_and_never_negative"):
        begun.commit(rows, sizes(rows))
    assert stores(people) == dict.fromkeys(PEOPLE)


def alter(lake: DropLake, change: str) -> None:
    """Change the table of the customers, as its owner may."""
    lake.spark.sql(f"ALTER TABLE delta.`{table_path(lake.settings, FEATURES)}` {change}")


@pytest.mark.parametrize("feed", ["true", "false"])
def test_without_a_change_feed_the_rows_alone_are_written(people: DropLake, feed: str) -> None:
    """What the feed would show never becomes a row of the table."""
    alter(people, f"SET TBLPROPERTIES ('delta.enableChangeDataFeed' = '{feed}')")
    replace(people, "A", "c0", "c1")
    assert stores(people) == dict.fromkeys(PEOPLE) | {"c0": "A", "c1": "A"}


def doubled(rows: DataFrame) -> DataFrame:
    """Each row twice: two in the place of one."""
    return rows.unionByName(rows)


def cut(rows: DataFrame) -> DataFrame:
    """Fewer rows than were counted."""
    return rows.where("master_id = 'c0'")


def replaced_before(rows: DataFrame) -> DataFrame:
    """Places that hold no row any more."""
    return rows.withColumn(OLD, F.col(OLD).withField("row", F.lit(0).cast("bigint")))


@pytest.mark.parametrize("wrong", [doubled, cut, replaced_before])
def test_rows_that_are_not_as_many_as_planned_are_not_written(
    people: DropLake, wrong: Callable[[DataFrame], DataFrame]
) -> None:
    """Marked and written rows are counted before the commit: none may be lost or doubled."""
    first = people.table(FEATURES).where("_metadata.row_index = 0").first()
    assert first is not None
    replace(people, "A", first["master_id"])
    begun = Replacement(people.spark, people.fence(), FEATURES)
    others = [*[each for each in PEOPLE if each != first["master_id"]][:2], "c0"]
    rows = known(people).where(F.col("master_id").isin(others) & F.col("store_type").isNull())
    found = sizes(rows)
    before = people.features()
    with pytest.raises(TransientError, match=r"in the place of \d"):
        begun.commit(wrong(rows), Sizes(found.inserts, found.updates, found.files))
    assert people.features() == before


def test_a_column_that_somebody_added_keeps_its_values(people: DropLake) -> None:
    """A row that is replaced keeps what is in it, as with a MERGE; a new row has nothing there."""
    alter(people, "ADD COLUMNS (remark STRING)")
    people.spark.sql(
        f"UPDATE delta.`{table_path(people.settings, FEATURES)}` SET remark = 'good' "
        "WHERE master_id IN ('c0', 'c1')"
    )
    people.put("more.csv", csv(row("c0", last="2021-05-05"), row("c9")))
    people.take()
    remarks = people.table(FEATURES).where("remark IS NOT NULL OR master_id = 'c9'")
    told = remarks.select("master_id", "remark").collect()
    assert sorted(map(tuple, told)) == [("c0", "good"), ("c1", "good"), ("c9", None)]


def test_a_column_of_another_type_is_told_in_a_sentence(people: DropLake) -> None:
    """Delta's writer casts nothing, so a wrong type would be written as it is."""
    begun = Replacement(people.spark, people.fence(), FEATURES)
    rows = known(people).withColumn("row_no", F.col("row_no").cast("int"))
    with pytest.raises(
        ConfigError, match="The column row_no of the table customer_features is big"
    ):
        begun.commit(rows, sizes(rows))


def test_a_path_that_has_to_be_encoded_is_no_trouble(spark: SparkSession) -> None:
    """Spark names files by encoded addresses, Delta by relative ones."""
    lake = DropLake(spark, Settings(root=f"/tests/müşteri 100%/{uuid4().hex[:8]}"))
    lake.initialise()
    lake.put("people.csv", csv(*(row(each) for each in PEOPLE)))
    lake.take()
    replace(lake, "A", "c0")
    replace(lake, "B", "c0", "c1")
    found = lake.table(FEATURES).select("master_id", "store_type").collect()  # delta-rs finds none
    assert sorted(found) == sorted((dict.fromkeys(PEOPLE) | {"c0": "B", "c1": "B"}).items())


def test_a_table_set_to_have_no_vectors_is_told_in_a_sentence(people: DropLake) -> None:
    """The remedy is the statement to run; nothing is written."""
    alter(people, "SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')")
    before = people.features()
    with pytest.raises(ConfigError) as refused:
        replace(people, "A", "c0")
    assert people.features() == before
    people.spark.sql(str(refused.value).partition("run: ")[2])
    replace(people, "A", "c0")
    assert stores(people)["c0"] == "A"
