"""KPIs from what changed: the same rows as counting all customers, or all are counted."""

from __future__ import annotations

import shutil
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis import tables as kpi_tables
from batch.kpis import values as kpi_values
from batch.kpis.formulas import NUMBERS
from batch.kpis.numbers import KEYS_OF
from batch.kpis.tables import KPI_TABLES
from batch.kpis.values import BAND_KEYS, VALUE_KEYS
from batch.kpis_job import KpiRun, compute_kpis, describe
from batch.upkeep.maintain import DAY, may_have_old_files
from batch.verification.kpi_checks import check_kpis
from lake.delta import table_version
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    FEATURES,
    KPI_HISTORY,
    KPI_VALUES,
    TABLES,
    properties_of,
    table_path,
)
from tests.kpi_oracle import Numbers, Row, oracle, same
from tests.reading import read_rows

ALL = tuple(KPI_TABLES)
KEY_COLUMNS = ("order_channel", "platform_type")
KEYS = {"value": VALUE_KEYS, "band": BAND_KEYS}
Population = dict[str, Row]

customers = st.tuples(
    st.sampled_from(["Offline", "Mobile", "web", None]),
    st.sampled_from(["Online", "OmniChannel", None]),
    st.integers(0, 5),
    (st.integers(0, 300) | st.integers(99_990, 100_010) | st.just(10**17)).map(
        lambda cents: Decimal(cents).scaleb(-2)
    ),
)
populations = st.dictionaries(st.sampled_from("abcdefghij"), customers)


@pytest.fixture(scope="module")
def empty(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables that the job reads and writes, without a customer."""
    settings = Settings(fs="file://", root=str(tmp_path_factory.mktemp("empty") / "lake"))
    make_features(spark, settings)
    for name in (*KPI_TABLES, KPI_HISTORY):
        spark.createDataFrame([], TABLES[name].schema).write.format("delta").save(
            table_path(settings, name)
        )
    return Path(settings.root)


@pytest.fixture
def lake(empty: Path, tmp_path: Path) -> Settings:
    """Provide tables without a customer."""
    copy = shutil.copytree(empty, tmp_path / "lake")
    return Settings(fs="file://", root=str(copy))


@pytest.fixture(scope="module")
def counted(spark: SparkSession, empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Count some customers, and then change them: the next run has changes to go by."""
    copy = shutil.copytree(empty, tmp_path_factory.mktemp("counted") / "lake")
    settings = Settings(fs="file://", root=str(copy))
    become(spark, settings, SOME)
    compute_kpis(spark, settings)
    become(spark, settings, MORE)
    return copy


@pytest.fixture
def pending(counted: Path, tmp_path: Path) -> Settings:
    """Provide tables with changes that are not counted yet."""
    return Settings(fs="file://", root=str(shutil.copytree(counted, tmp_path / "lake")))


def make_features(spark: SparkSession, settings: Settings) -> None:
    """Make the features anew, as `flo init` would."""
    empty = spark.createDataFrame([], TABLES[FEATURES].schema)
    properties = properties_of(TABLES[FEATURES], settings)
    FileSystem.of(spark).delete(table_path(settings, FEATURES))
    empty.write.format("delta").options(**properties).save(table_path(settings, FEATURES))


def features(spark: SparkSession, population: Population) -> DataFrame:
    """Make rows of features with what the KPIs read."""
    schema = (
        "master_id STRING, order_channel STRING, platform_type STRING, "
        "order_num_total BIGINT, customer_value_total DECIMAL(18,2)"
    )
    frame = spark.createDataFrame([(name, *row) for name, row in population.items()], schema)
    missing = [name for name in TABLES[FEATURES].column_names if name not in frame.columns]
    fields = {field.name: field.dataType for field in TABLES[FEATURES].schema.fields}
    return frame.withColumns({name: F.lit(None).cast(fields[name]) for name in missing}).select(
        *TABLES[FEATURES].column_names
    )


def become(spark: SparkSession, settings: Settings, population: Population) -> None:
    """Turn the features into these customers in one commit: changes, new ones, and others gone."""
    (
        DeltaTable.forPath(spark, table_path(settings, FEATURES))
        .alias("t")
        .merge(features(spark, population).alias("s"), "t.master_id = s.master_id")
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
        .whenNotMatchedBySourceDelete()
        .execute()
    )


def shown(spark: SparkSession, settings: Settings) -> dict[str, dict[Row, Numbers]]:
    """Read the KPI tables: of each, each group's numbers with the version that they are of."""
    found: dict[str, dict[Row, Numbers]] = {name: {} for name in KEYS_OF}
    for name, positions in KEYS_OF.items():
        for row in read_rows(spark, settings, name):
            group = tuple(row[KEY_COLUMNS[each]] for each in positions)
            assert group not in found[name]
            found[name][group] = {each: row[each] for each in (*NUMBERS, "features_version")}
    return found


def is_exact(spark: SparkSession, settings: Settings, population: Population) -> None:
    """Compare all KPI tables, and the counts behind them, with these customers."""
    version = table_version(spark, settings, FEATURES)
    tables = shown(spark, settings)
    for name, positions in KEYS_OF.items():
        found = tables[name]
        assert {row.pop("features_version") for row in found.values()} <= {version}
        same(found, oracle(population.values(), *positions))
    for level in ("value", "band"):
        assert counts(spark, settings, level) == sums(population, level), level


def counts(spark: SparkSession, settings: Settings, level: str) -> dict[Row, list[int]]:
    """Add up the counts of each single revenue, or of each band of them, as they are written."""
    found: dict[Row, list[int]] = {}
    for row in read_rows(spark, settings, KPI_VALUES):
        if row["level"] == level and row["band"] is not None:
            add(found, tuple(row[each] for each in KEYS[level]), row["customers"], row["orders"])
    return {key: both for key, both in found.items() if any(both)}


def sums(population: Population, level: str) -> dict[Row, list[int]]:
    """Count these customers, and their orders, in the same way."""
    found: dict[Row, list[int]] = {}
    for channel, platform, orders, amount in population.values():
        cents = int(amount * 100)
        unit = 10 ** max(0, len(str(cents)) - 3)
        key = (channel, platform, cents - cents % unit, cents)
        add(found, key[: len(KEYS[level])], 1, orders)
    return found


def add(found: dict[Row, list[int]], key: Row, customers: int, orders: int) -> None:
    """Add customers and orders to those of a key."""
    both = found.setdefault(key, [0, 0])
    both[0], both[1] = both[0] + customers, both[1] + orders


SOME: Population = {
    "a": ("Mobile", "Online", 2, Decimal("10.25")),
    "b": ("Mobile", "OmniChannel", 1, Decimal("999.99")),
    "c": (None, "Online", 1, Decimal("0.00")),
}
MORE: Population = SOME | {
    "b": ("web", "OmniChannel", 3, Decimal("1000.01")),
    "d": ("Mobile", "Online", 1, Decimal("7.50")),
}


@trying(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(populations, min_size=2, max_size=3))
def test_what_changed_gives_the_rows_that_counting_all_gives(
    spark: SparkSession, lake: Settings, steps: list[Population]
) -> None:
    """Inserts, updates, moves between channels and deletions: each number stays exact.

    So it does where all are counted, see the losses below.
    """
    compute_kpis(spark, lake)
    for population in steps:
        become(spark, lake, population)
        assert compute_kpis(spark, lake).counted == ""
        is_exact(spark, lake, population)


def test_several_commits_and_compactions_are_caught_up_with_at_once(
    spark: SparkSession, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appends, an overwrite, a compaction and nothing at all are changes like any other.

    Once in so many writes the counts are put together again, each value once.
    """
    monkeypatch.setattr(kpi_values, "_REWRITE", 3)
    path = table_path(lake, FEATURES)
    compute_kpis(spark, lake)
    become(spark, lake, SOME)
    features(spark, {"d": MORE["d"]}).write.format("delta").mode("append").save(path)
    DeltaTable.forPath(spark, path).delete("master_id = 'a'")
    rest = {name: row for name, row in (SOME | {"d": MORE["d"]}).items() if name != "a"}

    assert compute_kpis(spark, lake).counted == ""
    is_exact(spark, lake, rest)

    features(spark, MORE).write.format("delta").mode("overwrite").save(path)
    assert compute_kpis(spark, lake).counted == ""
    is_exact(spark, lake, MORE)
    assert check_kpis(spark, lake).differences == ()
    singles = [row for row in read_rows(spark, lake, KPI_VALUES) if row["level"] == "value"]
    assert [row["customers"] for row in singles] == [1] * len(MORE)

    version = table_version(spark, lake, FEATURES)
    features(spark, {}).write.format("delta").mode("append").save(path)
    spark.sql(f"OPTIMIZE delta.`{path}`").collect()
    run = compute_kpis(spark, lake)
    assert (run.counted, run.features_version > version) == ("", True)
    is_exact(spark, lake, MORE)


def lose_feed(spark: SparkSession, settings: Settings) -> None:
    """Remove the files of the feed, as a VACUUM does."""
    FileSystem.of(spark).delete(f"{table_path(settings, FEATURES)}/_change_data")


def lose_log(spark: SparkSession, settings: Settings) -> None:
    """Remove the log of earlier versions, as its retention does."""
    become(spark, settings, SOME)
    become(spark, settings, MORE)
    path = table_path(settings, FEATURES)
    log = spark._jvm.org.apache.spark.sql.delta.DeltaLog  # type: ignore[union-attr]
    snapshot = kpi_values.newest_snapshot(spark, settings, FEATURES)
    delta_log = log.forTable(spark._jsparkSession, path)
    delta_log.checkpoint(snapshot, getattr(delta_log, "checkpoint$default$2")())
    files = FileSystem.of(spark)
    for info in files.list(f"{path}/_delta_log"):
        if info.name.endswith(".json") and int(info.name.split(".")[0]) < snapshot.version():
            files.delete(f"{path}/_delta_log/{info.name}")
    log.clearCache()


def replace_features(spark: SparkSession, settings: Settings) -> None:
    """Put another table in the place of the features, with as many versions and more."""
    make_features(spark, settings)
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]
    for _ in range(3):
        become(spark, settings, MORE)


def lose_counts(spark: SparkSession, settings: Settings) -> None:
    """Remove the counts."""
    FileSystem.of(spark).delete(table_path(settings, KPI_VALUES))
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]


def lose_file_of_counts(spark: SparkSession, settings: Settings) -> None:
    """Remove the files of the counts, but not their log."""
    for level in ("band", "value"):
        FileSystem.of(spark).delete(f"{table_path(settings, KPI_VALUES)}/level={level}")


def damage_counts(spark: SparkSession, settings: Settings) -> None:
    """Take away a customer that was never there."""
    counts = DeltaTable.forPath(spark, table_path(settings, KPI_VALUES))
    counts.update("cents = 1025", {"customers": F.lit(-1).cast("bigint")})


def switch_feed_off(spark: SparkSession, settings: Settings) -> None:
    """Have commits leave no feed."""
    table = f"delta.`{table_path(settings, FEATURES)}`"
    for value in ("false", "true"):
        feed = f"'delta.enableChangeDataFeed' = {value}"
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({feed})")
        become(spark, settings, SOME)
        become(spark, settings, MORE)


@pytest.mark.parametrize(
    "lose",
    [
        lose_feed,
        lose_log,
        switch_feed_off,
        replace_features,
        lose_counts,
        lose_file_of_counts,
        damage_counts,
    ],
)
def test_where_the_changes_are_not_enough_all_customers_are_counted(
    spark: SparkSession, pending: Settings, lose: Any
) -> None:
    """The feed, the features or the counts are not what they were: the KPIs are exact anyway."""
    lose(spark, pending)
    run = compute_kpis(spark, pending)

    assert run.computed == ALL
    assert run.counted != ""
    assert run.counted in describe(run)
    is_exact(spark, pending, MORE)
    become(spark, pending, SOME)
    assert compute_kpis(spark, pending).counted == "", "the next run needs the changes only"
    is_exact(spark, pending, SOME)


def test_a_run_that_broke_off_after_its_counts_is_completed_by_the_next(
    spark: SparkSession, pending: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is counted once, though the run that counted it never showed it."""
    with monkeypatch.context() as broken:
        broken.setattr(kpi_tables, "_append_history", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            compute_kpis(spark, pending)

    assert compute_kpis(spark, pending) == KpiRun(table_version(spark, pending, FEATURES), ALL)
    is_exact(spark, pending, MORE)


def test_two_runs_at_once_count_a_change_once(
    spark: SparkSession, pending: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that comes second sees what the first one wrote, and goes on from there."""
    write = kpi_values._write
    others: list[KpiRun] = []

    def come_second(*arguments: Any) -> Any:
        if not others:
            others.append(KpiRun(-1, ()))
            become(spark, pending, SOME)
            others.append(compute_kpis(spark, pending))
        return write(*arguments)

    monkeypatch.setattr(kpi_values, "_write", come_second)

    run = compute_kpis(spark, pending)

    newest = table_version(spark, pending, FEATURES)
    assert others[1] == KpiRun(newest, ALL)
    assert run == KpiRun(newest, ())
    is_exact(spark, pending, SOME)


@pytest.mark.parametrize("level", ["value", "band"])
def test_damaged_counts_are_found(spark: SparkSession, lake: Settings, level: str) -> None:
    """`flo verify` compares the counts with the features, and --full puts them right."""
    become(spark, lake, SOME)
    compute_kpis(spark, lake)
    counts = DeltaTable.forPath(spark, table_path(lake, KPI_VALUES))
    counts.update(f"level = '{level}' AND band = 1020", {"orders": F.lit(7).cast("bigint")})

    [found] = check_kpis(spark, lake).differences

    assert (found.table, found.what, found.rows) == (KPI_VALUES, "orders", 1)
    compute_kpis(spark, lake, full=True)
    is_exact(spark, lake, SOME)
    assert shown(spark, lake)[CHANNEL_KPIS]["Mobile",]["total_orders"] == 3


def test_old_files_of_the_counts_are_removed_after_a_day(
    spark: SparkSession, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks for earlier counts, so that upkeep need not keep them as long as the others."""
    assert not may_have_old_files(spark, lake, KPI_VALUES), "there are none yet"
    become(spark, lake, SOME)
    compute_kpis(spark, lake)
    assert not may_have_old_files(spark, lake, KPI_VALUES)

    later = time.time() + 2 * DAY
    monkeypatch.setattr("batch.upkeep.maintain.time.time", lambda: later)

    assert may_have_old_files(spark, lake, KPI_VALUES)
    assert not may_have_old_files(spark, lake, FEATURES)
    details = DeltaTable.forPath(spark, table_path(lake, KPI_VALUES)).detail().collect()[0]
    kept = details["properties"]["delta.deletedFileRetentionDuration"]
    assert kept == "interval 1 days"
