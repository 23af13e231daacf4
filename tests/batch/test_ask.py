"""The tables as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from batch.kpis_job import compute_kpis
from batch.questions.ask import Asked, lake_names
from batch.questions.moment import find_moment
from batch.segments import compute_segments
from flo import cli
from flo.failures import explain
from lake.errors import ConfigError, NotFoundError
from lake.tables import (
    CHANNEL_KPIS,
    CUSTOMER_SEGMENTS,
    FEATURES,
    KPI_HISTORY,
    LEDGER,
    QUARANTINE,
    SNAPSHOTS,
    TABLES,
    delta_log,
    newest_snapshot,
    table_path,
)
from tests.lakes import DropLake, csv, row
from tests.processes import run_json

COUNTED = (FEATURES, SNAPSHOTS, QUARANTINE, LEDGER)
BAD_FIRST = csv(row("c1"), row("c2"), row("c3"), row("c4", value_online="abc"))
SECOND = csv(row("c1", last="2021-02-01", value_offline="25.00"), row("c5"))
REFUSED = csv(row("c6", value_online="abc"), row("c7", value_online="abc"))
# The second row is older than what the lake has of that customer.
THIRD = csv(row("c8"), row("c1", last="2020-06-01"))


@dataclass
class Past:
    """A lake with a history: what the drops' ids are, and when each step was done."""

    lake: DropLake
    ids: dict[str, str] = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)

    def take(self, name: str, content: str) -> None:
        """Take in a drop."""
        self.lake.put(f"{name}.csv", content)
        [account] = self.lake.take()
        self.ids[name] = account["drop_id"]
        self.mark(name)

    def mark(self, name: str) -> None:
        """Remember when a step was done."""
        self.times[name] = datetime.now(UTC) + timedelta(milliseconds=5)

    def ask(self, as_of: str) -> Asked:
        """Name the tables as they were."""
        return lake_names(self.lake.spark, self.lake.settings, as_of)

    def counts(self, as_of: str) -> tuple[int, ...]:
        """Count customers, snapshots, refused rows and accounts as they were."""
        self.ask(as_of)
        return tuple(len(rows_of(self.lake.spark, name)) for name in COUNTED)

    def customers_in_kpis(self, as_of: str) -> tuple[int, tuple[str, ...]]:
        """Add up the customers of the KPIs as they were; return what is noted, too."""
        notes = self.ask(as_of).notes
        rows = self.lake.spark.table(f"global_temp.{CHANNEL_KPIS}").collect()
        return sum(each["total_customers"] for each in rows), notes


def rows_of(spark: SparkSession, name: str) -> list[tuple[Any, ...]]:
    """Read a table under the name that it has in a session of the tests, in a fixed order."""
    frame = spark.table(f"global_temp.{name}")
    columns = [each for each in frame.columns if each not in ("updated_at", "rescued")]
    return sorted((tuple(each) for each in frame.select(*columns).collect()), key=repr)


def has(spark: SparkSession, name: str) -> bool:
    """Tell whether a table has a name."""
    return name in {each.tableName for each in spark.sql("SHOW TABLES IN global_temp").collect()}


@pytest.fixture(scope="module")
def past(spark: SparkSession, new_lake: Callable[[], DropLake]) -> Iterator[Past]:
    """Make a lake with three drops, a refused one, KPIs of the first and third, and segments."""
    made = Past(new_lake())
    made.take("first", BAD_FIRST)
    compute_kpis(spark, made.lake.settings)
    made.take("second", SECOND)
    made.take("refused", REFUSED)
    compute_segments(spark, made.lake.settings, date(2021, 6, 1))
    made.mark("segments")
    made.take("third", THIRD)
    compute_kpis(spark, made.lake.settings)
    yield made
    for name in (*TABLES, CUSTOMER_SEGMENTS):
        spark.catalog.dropGlobalTempView(name)


def test_a_drop_means_all_tables_just_after_it(past: Past) -> None:
    """As of a drop its rows are there in each table, and no later ones; a refused one counts."""
    assert past.counts(past.ids["first"]) == (3, 3, 1, 1)
    assert past.counts(past.ids["second"]) == (4, 5, 1, 2)
    assert past.counts(past.ids["refused"]) == (4, 5, 3, 3)
    assert past.counts(past.ids["third"]) == (5, 7, 3, 4)


def test_a_time_means_what_was_committed_until_then(past: Past) -> None:
    """As of a time between two drops only the first is there; of tomorrow, all are."""
    assert past.counts(past.times["first"].isoformat()) == (3, 3, 1, 1)
    assert past.counts((past.times["third"] + timedelta(days=1)).isoformat()) == (5, 7, 3, 4)


def test_the_features_are_the_rows_of_then(past: Past) -> None:
    """A customer has the values that the drops until then gave, not those of now."""
    spark, paid = past.lake.spark, "SELECT customer_value_total FROM global_temp.customer_features"
    past.ask(past.ids["first"])
    assert str(spark.sql(f"{paid} WHERE master_id = 'c1'").collect()[0][0]) == "10.00"
    past.ask(past.ids["second"])
    assert str(spark.sql(f"{paid} WHERE master_id = 'c1'").collect()[0][0]) == "25.00"


def test_the_kpis_of_a_drop_are_those_of_its_features(past: Past) -> None:
    """KPIs that were computed of a drop belong to it, though that was later."""
    assert past.customers_in_kpis(past.ids["first"])[0] == 3
    assert past.customers_in_kpis(past.ids["third"]) == (5, ())


def test_kpis_that_were_never_computed_of_a_drop_are_the_earlier_ones(past: Past) -> None:
    """Then a note names the version that they are of: it is not the features' beside them."""
    first, second = (
        each["features_version"]
        for each in past.lake.ledger()
        if each["drop_id"] in (past.ids["first"], past.ids["second"])
    )
    customers, notes = past.customers_in_kpis(past.ids["second"])
    assert customers == 3
    assert any(f"version {first} of" in each and f"version {second}" in each for each in notes)


def test_no_kpis_then(past: Past) -> None:
    """Before the first run the KPI tables are empty, and a note says so."""
    customers, notes = past.customers_in_kpis(past.times["first"].isoformat())
    assert customers == 0
    assert "No KPIs had been computed yet." in notes


def test_the_history_shows_kpis_over_time(past: Past) -> None:
    """It has each run's rows, and of a drop those until then."""
    over_time = (
        "SELECT features_version, sum(total_customers) FROM global_temp.kpi_history "
        "WHERE kpi_table = 'channel_kpis' GROUP BY features_version ORDER BY features_version"
    )
    past.ask(past.ids["third"])
    assert [each[1] for each in past.lake.spark.sql(over_time).collect()] == [3, 5]
    past.ask(past.ids["second"])
    assert [each[1] for each in past.lake.spark.sql(over_time).collect()] == [3]


def test_segments_are_those_of_then(past: Past) -> None:
    """A table that was made on demand later is not there, and a note says so; after, it is."""
    notes = past.ask(past.ids["second"]).notes
    assert f"{CUSTOMER_SEGMENTS} was not there yet." in notes
    assert not has(past.lake.spark, CUSTOMER_SEGMENTS)
    past.ask(past.times["segments"].isoformat())
    assert len(rows_of(past.lake.spark, CUSTOMER_SEGMENTS)) == 4
    past.ask(past.ids["third"])
    assert len(rows_of(past.lake.spark, CUSTOMER_SEGMENTS)) == 4


def clean_logs(lake: DropLake) -> None:
    """Take away all commits but the newest, as Delta does after the retention."""
    for name in (FEATURES, SNAPSHOTS, QUARANTINE):
        snapshot = newest_snapshot(lake.spark, lake.settings, name)
        log = delta_log(lake.spark, lake.settings, name)
        log.checkpoint(snapshot, getattr(log, "checkpoint$default$2")())
        for info in lake.files.list(f"{table_path(lake.settings, name)}/_delta_log"):
            number = info.name.partition(".")[0]
            if number.isdecimal() and int(number) < snapshot.version():
                lake.files.delete(info.path)
    jvm: Any = lake.spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def shorten_retention(lake: DropLake) -> None:
    """Let Delta keep replaced files for no time at all: it then refuses earlier versions."""
    for name in (FEATURES, SNAPSHOTS, QUARANTINE):
        lake.spark.sql(
            f"ALTER TABLE delta.`{table_path(lake.settings, name)}` SET TBLPROPERTIES "
            "('delta.deletedFileRetentionDuration' = 'interval 0 hours')"
        )


@pytest.fixture(scope="module")
def kept(past: Past) -> dict[str, list[Any]]:
    """Read all tables as of two drops, while Delta keeps their versions."""
    rows = {}
    for drop in ("first", "refused"):
        past.ask(past.ids[drop])
        rows[drop] = [rows_of(past.lake.spark, name) for name in TABLES]
    return rows


@pytest.mark.parametrize("age", [clean_logs, shorten_retention])
def test_what_delta_no_longer_keeps_is_made_again(
    past: Past, kept: dict[str, list[Any]], age: Callable[[DropLake], None]
) -> None:
    """Features by the order rule, snapshots and quarantine by their drops: the same rows, and told.

    The segments cannot be made again, which is told as well.
    """
    spark = past.lake.spark
    # Its commits are younger than the drops, so that none is known for their times.
    old = Past(past.lake.copy(), past.ids, past.times)
    age(old.lake)

    for drop, rows in kept.items():
        notes = " ".join(old.ask(past.ids[drop]).notes)
        assert f"{FEATURES} was recomputed from the snapshots" in notes
        assert [rows_of(spark, name) for name in TABLES] == rows, drop
        assert spark.table(f"global_temp.{FEATURES}").columns == TABLES[FEATURES].column_names
    later = " ".join(old.ask((past.times["segments"] + timedelta(seconds=1)).isoformat()).notes)
    assert f"What {CUSTOMER_SEGMENTS} was is no longer kept" in later
    assert not has(spark, CUSTOMER_SEGMENTS)


def test_the_beginning_of_a_drop_id_will_do(past: Past) -> None:
    """An id may be shortened as long as it means one drop."""
    spark, settings, drop = past.lake.spark, past.lake.settings, past.ids["second"]
    assert find_moment(spark, settings, drop[:12]) == find_moment(spark, settings, drop)


def test_an_id_that_begins_several_drops_is_refused(
    spark: SparkSession, new_lake: Callable[[], DropLake]
) -> None:
    """It is not guessed which one is meant."""
    lake = new_lake()
    ids = [("abcdef01" + letter * 56) for letter in "12"]
    rows = [(each, "ingested", datetime.now(UTC)) for each in ids]
    frame = spark.createDataFrame(rows, "drop_id STRING, state STRING, finished_at TIMESTAMP")
    frame.write.format("delta").mode("append").save(table_path(lake.settings, LEDGER))
    with pytest.raises(ConfigError, match="Several drops"):
        find_moment(spark, lake.settings, "abcdef01")


def test_a_time_before_the_first_version_is_refused(past: Past) -> None:
    """Nothing was there yet, and the message says so."""
    with pytest.raises(ConfigError, match="not there yet"):
        past.ask("2001-01-01")


def test_a_time_without_offset_is_in_the_business_time_zone(past: Past) -> None:
    """Midnight is midnight where the business is."""
    moment = find_moment(past.lake.spark, past.lake.settings, "2026-01-01")

    assert moment.at == datetime(2025, 12, 31, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("as_of", "kind"), [("c" * 64, NotFoundError), ("yesterday", ConfigError), ("", ConfigError)]
)
def test_what_is_neither_drop_nor_time_is_refused(
    past: Past, as_of: str, kind: type[Exception]
) -> None:
    """An unknown drop and a text that is no time are told apart."""
    with pytest.raises(kind):
        past.ask(as_of)


def test_use_is_refused_in_a_sentence(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of then are in no database that can be the current one: the whole name is told."""
    monkeypatch.setenv("FLO_ROOT", past.lake.settings.root)
    # What is `flo` in a session of the command's own.
    words = ["sql", "--as-of", past.ids["first"], "USE global_temp; SELECT count(*) FROM drops"]
    done = CliRunner().invoke(cli.app, words)
    assert done.exception is not None
    told = explain(done.exception)
    assert (told.exit_code, done.stdout) == (2, "")
    assert "such as flo.drops" in told.message
    assert past.lake.spark.catalog.currentDatabase() == "default"


@pytest.mark.integration
def test_the_command_names_them_as_ever(past: Past, environment: dict[str, str]) -> None:
    """`flo sql --as-of` asks `flo.<table>`, in one statement as many of them as one likes."""
    question = (
        "SELECT (SELECT count(*) FROM flo.customer_features) AS customers, "
        "(SELECT count(*) FROM flo.drops) AS drops, "
        "(SELECT sum(total_customers) FROM flo.channel_kpis) AS counted, "
        f"(SELECT count(*) FROM flo.{KPI_HISTORY}) AS runs"
    )
    env = {**environment, "FLO_ROOT": past.lake.settings.root}
    [answer] = run_json("flo", "sql", "--as-of", past.ids["first"], question, env=env)
    assert answer == {"customers": 3, "drops": 1, "counted": 3, "runs": 3}
