"""The tables as they were."""

from __future__ import annotations

from collections import Counter
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
from lake.delta import delta_log, newest_snapshot
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
    seen: dict[str, Then] = field(default_factory=dict)

    def take(self, name: str, content: str) -> None:
        """Take in a drop."""
        self.lake.put(f"{name}.csv", content)
        [account] = self.lake.take()
        self.ids[name] = account["drop_id"]
        self.mark(name)

    def mark(self, name: str) -> None:
        """Remember when a step was done."""
        self.times[name] = datetime.now(UTC) + timedelta(milliseconds=5)

    def ask(self, as_of: str) -> Then:
        """Look at the tables as they were; the same moment is asked for once."""
        if as_of not in self.seen:
            self.seen[as_of] = Then(
                self.lake, lake_names(self.lake.spark, self.lake.settings, as_of)
            )
        return self.seen[as_of]


class Then:
    """The tables as they were, by the names that a session of the tests has for them."""

    def __init__(self, lake: DropLake, asked: Asked) -> None:
        self.notes = asked.notes
        spark = lake.spark
        named = {each.tableName for each in spark.sql("SHOW TABLES IN global_temp").collect()}
        # The next question gives the names to others.
        self._frames = {name: spark.table(f"global_temp.{name}") for name in sorted(named)}
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def has(self, name: str) -> bool:
        """Tell whether a table has a name."""
        return name in self._frames

    def columns(self, name: str) -> list[str]:
        """List the columns of a table."""
        return self._frames[name].columns

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Read a table, in a fixed order."""
        if name not in self._rows:
            frame = self._frames[name].drop("updated_at", "rescued")
            found = [each.asDict() for each in frame.collect()]
            self._rows[name] = sorted(found, key=lambda row: repr(list(row.values())))
        return self._rows[name]

    def counts(self) -> tuple[int, ...]:
        """Count customers, snapshots, refused rows and accounts."""
        return tuple(len(self.rows(name)) for name in COUNTED)

    def customers_in_kpis(self) -> int:
        """Add up the customers of the KPIs."""
        return sum(each["total_customers"] for each in self.rows(CHANNEL_KPIS))


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
    assert past.ask(past.ids["first"]).counts() == (3, 3, 1, 1)
    assert past.ask(past.ids["second"]).counts() == (4, 5, 1, 2)
    assert past.ask(past.ids["refused"]).counts() == (4, 5, 3, 3)
    assert past.ask(past.ids["third"]).counts() == (5, 7, 3, 4)


def test_a_time_means_what_was_committed_until_then(past: Past) -> None:
    """As of a time between two drops only the first is there; of tomorrow, all are."""
    assert past.ask(past.times["first"].isoformat()).counts() == (3, 3, 1, 1)
    tomorrow = past.times["third"] + timedelta(days=1)
    assert past.ask(tomorrow.isoformat()).counts() == (5, 7, 3, 4)


def test_the_features_are_the_rows_of_then(past: Past) -> None:
    """A customer has the values that the drops until then gave, not those of now."""
    for drop, paid in (("first", "10.00"), ("second", "25.00")):
        rows = past.ask(past.ids[drop]).rows(FEATURES)
        [found] = [row["customer_value_total"] for row in rows if row["master_id"] == "c1"]
        assert str(found) == paid


def test_the_kpis_of_a_drop_are_those_of_its_features(past: Past) -> None:
    """KPIs that were computed of a drop belong to it, though that was later."""
    assert past.ask(past.ids["first"]).customers_in_kpis() == 3
    third = past.ask(past.ids["third"])
    assert (third.customers_in_kpis(), third.notes) == (5, ())


def test_kpis_that_were_never_computed_of_a_drop_are_the_earlier_ones(past: Past) -> None:
    """Then a note names the version that they are of: it is not the features' beside them."""
    first, second = (
        each["features_version"]
        for each in past.lake.ledger()
        if each["drop_id"] in (past.ids["first"], past.ids["second"])
    )
    then = past.ask(past.ids["second"])
    assert then.customers_in_kpis() == 3
    assert any(f"version {first} of" in each and f"version {second}" in each for each in then.notes)


def test_no_kpis_then(past: Past) -> None:
    """Before the first run the KPI tables are empty, and a note says so."""
    then = past.ask(past.times["first"].isoformat())
    assert then.customers_in_kpis() == 0
    assert "No KPIs had been computed yet." in then.notes


def test_the_history_shows_kpis_over_time(past: Past) -> None:
    """It has each run's rows, and of a drop those until then."""
    for drop, over_time in (("third", [3, 5]), ("second", [3])):
        customers: Counter[int] = Counter()
        for each in past.ask(past.ids[drop]).rows(KPI_HISTORY):
            if each["kpi_table"] == CHANNEL_KPIS:
                customers[each["features_version"]] += each["total_customers"]
        assert [customers[version] for version in sorted(customers)] == over_time


def test_segments_are_those_of_then(past: Past) -> None:
    """A table that was made on demand later is not there, and a note says so; after, it is."""
    second = past.ask(past.ids["second"])
    assert f"{CUSTOMER_SEGMENTS} was not there yet." in second.notes
    assert not second.has(CUSTOMER_SEGMENTS)
    for moment in (past.times["segments"].isoformat(), past.ids["third"]):
        assert len(past.ask(moment).rows(CUSTOMER_SEGMENTS)) == 4


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


@pytest.mark.parametrize("age", [clean_logs, shorten_retention])
def test_what_delta_no_longer_keeps_is_made_again(
    past: Past, age: Callable[[DropLake], None]
) -> None:
    """Features by the order rule, snapshots and quarantine by their drops: the same rows, and told.

    The segments cannot be made again, which is told as well.
    """
    # Its commits are younger than the drops, so that none is known for their times.
    old = Past(past.lake.copy(), past.ids, past.times)
    age(old.lake)

    for drop in ("first", "refused"):
        kept, again = past.ask(past.ids[drop]), old.ask(past.ids[drop])
        assert f"{FEATURES} was recomputed from the snapshots" in " ".join(again.notes)
        assert again.columns(FEATURES) == TABLES[FEATURES].column_names
        for name in TABLES:
            assert again.rows(name) == kept.rows(name), (drop, name)
    later = old.ask((past.times["segments"] + timedelta(seconds=1)).isoformat())
    assert f"What {CUSTOMER_SEGMENTS} was is no longer kept" in " ".join(later.notes)
    assert not later.has(CUSTOMER_SEGMENTS)


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
