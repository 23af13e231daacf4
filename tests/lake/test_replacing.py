"""A commit that replaces known rows, by either writer: all of it, or nothing, on no other rows."""

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
from checkpoints.ledger import carrying
from lake.conflicts import OvertakenError
from lake.delta import newest_snapshot, open_table, table_version
from lake.errors import ConfigError, TransientError
from lake.features_writer import DELETED, OLD, Sizes, placed, with_old
from lake.merging import Merge
from lake.replacing import TRIED_WITH, Replacement
from lake.settings import CONF, Settings
from lake.tables import FEATURES, table_path
from lake.writers import open_writer
from tests.lakes import DropLake, csv, row

KINDS = ("Inserted", "Updated", "Deleted")
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


@pytest.fixture(params=["deletion_vectors", "merge"])
def either(original: DropLake, request: pytest.FixtureRequest) -> DropLake:
    """A copy for each writer: what holds for the one holds for the other."""
    return original.copy(features_writer=request.param)


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
    begun = open_writer(lake.spark, lake.fence())
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


def test_the_change_feed_tells_each_row_as_it_was_and_is(either: DropLake) -> None:
    """A reader of the feed is told the same by both: new rows, and of a customer who was there
    twice that all rows go and one comes; the history has the numbers and what the commit carries.
    """
    path = table_path(either.settings, FEATURES)
    either.table(FEATURES).where("master_id = 'c1'").write.format("delta").mode("append").save(path)
    begun = open_writer(either.spark, either.fence())
    rows = known(either).where("master_id IN ('c0', 'c1')").withColumn(DELETED, F.lit(False))
    changed = renamed(rows.where("master_id = 'c0'"), "A")
    new = changed.withColumn(OLD, F.lit(None).cast(rows.schema[OLD].dataType))
    added = new.withColumn("master_id", F.explode(F.array(F.lit("c1"), F.lit("new"))))
    gone = rows.where("master_id = 'c1'").withColumn(DELETED, F.lit(True))
    files = sizes(rows).files
    with carrying(either.spark, "the accounts"):
        all_rows = changed.unionByName(added).unionByName(gone)
        version = begun.commit(all_rows, Sizes(inserts=2, updates=1, files=files, deletes=2))
    feed = either.spark.read.format("delta").option("readChangeFeed", "true")
    changes = feed.option("startingVersion", version).load(path)
    told = changes.select("_change_type", "master_id", "store_type", "_commit_version").collect()
    assert sorted(map(tuple, told)) == [
        ("delete", "c1", None, version),
        ("delete", "c1", None, version),
        ("insert", "c1", "A", version),
        ("insert", "new", "A", version),
        ("update_postimage", "c0", "A", version),
        ("update_preimage", "c0", None, version),
    ]
    assert stores(either) == dict.fromkeys(PEOPLE) | {"c0": "A", "c1": "A", "new": "A"}
    [newest] = open_table(either.spark, either.settings, FEATURES).history(1).collect()
    assert (newest["operation"], newest["userMetadata"]) == ("MERGE", "the accounts")
    told = [newest["operationMetrics"][f"numTargetRows{kind}"] for kind in KINDS]
    assert told == ["2", "1", "2"]


def compact(lake: DropLake) -> None:
    """Put the rows of all files together in one."""
    open_table(lake.spark, lake.settings, FEATURES).optimize().executeCompaction()


def add(lake: DropLake) -> None:
    """Add a row, as an INSERT does."""
    copy = lake.table(FEATURES).limit(1).withColumn("master_id", F.lit("added"))
    copy.write.format("delta").mode("append").save(table_path(lake.settings, FEATURES))


OTHERS: dict[str, Callable[[DropLake], object]] = {"compaction": compact, "insert": add}


@pytest.mark.parametrize("other", OTHERS)
def test_what_came_in_between_is_not_overwritten(either: DropLake, other: str) -> None:
    """Rows that were read before another commit are not written after it: places and values may
    be others."""
    replace(either, "A", "c0")
    begun = open_writer(either.spark, either.fence())
    rows = renamed(known(either).where("master_id = 'c0'"), "B").persist()
    found = sizes(rows)
    OTHERS[other](either)
    before = either.features()
    with pytest.raises(OvertakenError):
        begun.commit(rows, found)
    assert either.features() == before


@pytest.mark.parametrize("other", OTHERS)
def test_delta_itself_refuses_what_came_at_the_last_moment(
    people: DropLake, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a commit right before ours, when we have looked for one already, is not overwritten."""
    replace(people, "A", "c0")
    begun = Replacement(people.spark, people.fence())
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


LATE = {
    "changed": "UPDATE {} SET store_type = 'X' WHERE master_id = 'c0'",
    "gone": "DELETE FROM {} WHERE master_id = 'c0'",
    "there": "UPDATE {} SET master_id = 'new' WHERE master_id = 'c1'",
}


@pytest.mark.parametrize("late", LATE)
def test_a_merge_begins_on_the_rows_of_the_plan_or_fails(
    original: DropLake, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it reads may be newer than what was looked at: a row that is another by then is kept."""
    people = original.copy(features_writer="merge")
    begun = open_writer(people.spark, people.fence())
    rows = renamed(known(people).where("master_id = 'c0'"), "B")
    new = rows.withColumns(
        {"master_id": F.lit("new"), OLD: F.lit(None).cast(rows.schema[OLD].dataType)}
    )
    both = rows.unionByName(new).persist()
    found, count, told = sizes(both), Merge._count, []

    def change_late(*args: Any) -> None:
        count(*args)
        path = table_path(people.settings, FEATURES)
        people.spark.sql(LATE[late].format(f"delta.`{path}`"))
        told.append(people.features())

    monkeypatch.setattr(Merge, "_count", change_late)
    with pytest.raises(OvertakenError):
        begun.commit(both, found)
    assert [people.features()] == told


def test_a_merge_tells_its_own_version_where_a_compaction_comes_beside_it(
    original: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account names the commit that holds its rows; a compaction does not hinder it."""
    people = original.copy(features_writer="merge")
    replace(people, "A", "c0")
    count, committed, before = Merge._count, Merge._committed, []

    def compact_first(*args: Any) -> None:
        count(*args)
        compact(people)
        before.append(table_version(people.spark, people.settings, FEATURES))

    def add_after(begun: Merge) -> int:
        add(people)
        return committed(begun)

    monkeypatch.setattr(Merge, "_count", compact_first)
    monkeypatch.setattr(Merge, "_committed", add_after)
    version = replace(people, "B", "c1")
    assert [version - 1] == before
    assert stores(people) == dict.fromkeys([*PEOPLE, "added"]) | {"c0": "A", "c1": "B"}


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
    begun = Replacement(people.spark, people.fence())
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
    begun = open_writer(people.spark, people.fence())
    gone = known(people).where("master_id IN ('c1', 'c2')").withColumn(DELETED, F.lit(True))
    begun.commit(gone, Sizes(0, 0, sizes(gone).files, deletes=2))
    assert stores(people) == {"c0": "A"} | dict.fromkeys(["c3", "c4", "c5"])


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
    either: DropLake, wrong: Callable[[DataFrame], DataFrame]
) -> None:
    """Marked and written rows are counted before the commit: none may be lost or doubled."""
    first = either.table(FEATURES).where("_metadata.row_index = 0").first()
    assert first is not None
    replace(either, "A", first["master_id"])
    begun = open_writer(either.spark, either.fence())
    others = [*[each for each in PEOPLE if each != first["master_id"]][:2], "c0"]
    rows = known(either).where(F.col("master_id").isin(others) & F.col("store_type").isNull())
    found = sizes(rows)
    before = either.features()
    with pytest.raises(TransientError, match=r"in the place of \d"):
        begun.commit(wrong(rows), Sizes(found.inserts, found.updates, found.files))
    assert either.features() == before


def test_a_column_that_somebody_added_keeps_its_values(either: DropLake) -> None:
    """A row that is replaced keeps what is in it, as with a MERGE; a new row has nothing there."""
    alter(either, "ADD COLUMNS (remark STRING)")
    either.spark.sql(
        f"UPDATE delta.`{table_path(either.settings, FEATURES)}` SET remark = 'good' "
        "WHERE master_id IN ('c0', 'c1')"
    )
    either.put("more.csv", csv(row("c0", last="2021-05-05"), row("c9")))
    either.take()
    remarks = either.table(FEATURES).where("remark IS NOT NULL OR master_id = 'c9'")
    told = remarks.select("master_id", "remark").collect()
    assert sorted(map(tuple, told)) == [("c0", "good"), ("c1", "good"), ("c9", None)]


def test_a_column_of_another_type_is_told_in_a_sentence(people: DropLake) -> None:
    """Delta's writer casts nothing, so a wrong type would be written as it is."""
    begun = Replacement(people.spark, people.fence())
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


def test_another_delta_is_refused_with_what_to_do(
    people: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inner parts of another version may do something else; its MERGE does not."""
    monkeypatch.setattr("lake.replacing.TRIED_WITH", "4.3.0")
    before = people.features()
    with pytest.raises(ConfigError, match=r'This is Delta 4\.4\.0.* features_writer = "merge"'):
        replace(people, "A", "c0")
    assert people.features() == before
    merging = people.copy(features_writer="merge")
    assert isinstance(open_writer(merging.spark, merging.fence()), Merge)


def test_the_delta_of_the_lock_is_the_one_that_was_tried() -> None:
    """Who raises the jar runs these tests with it, and then says so."""
    jars = (CONF / "jars.lock").read_text("utf-8")
    assert f"io.delta:delta-spark_4.2_2.13:{TRIED_WITH} " in jars
