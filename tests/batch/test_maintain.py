"""Upkeep changes how tables are stored and nothing else: by command, and by the stream itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import batch.upkeep.maintain
import batch.upkeep.unattended
from batch.upkeep.maintain import (
    Files,
    Limits,
    Upkept,
    compact,
    look_at,
    maintain,
    may_have_old_files,
    own_session,
    vacuum,
)
from batch.upkeep.unattended import LIMITS, Upkeep, vacuum_marker
from lake.conflicts import retry_conflicts
from lake.ddl import set_properties
from lake.delta import newest_snapshot, open_table, table_version
from lake.errors import ConfigError, NotFoundError, TransientError
from lake.java import scala_object
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, QUARANTINE, TABLES, table_path
from tests.answering import ask_json
from tests.lakes import DropLake, csv, row, versions

ANY = Limits()


def refused(lake: DropLake, rows: int, first: int = 0) -> DataFrame:
    """Make rows for quarantine, numbered from `first`, with a text that does not compress."""
    text = F.concat_ws("", *(F.sha2(F.concat(F.col("id"), F.lit(n)), 512) for n in range(4)))
    columns = {
        "drop_id": F.lit("d"),
        "row_no": F.col("id"),
        "raw": text,
        "reasons": F.array(F.lit("too_many_fields")),
        "quarantined_at": F.timestamp_seconds(F.lit(0)),
    }
    frame = lake.spark.range(first, first + rows, 1, 1).withColumns(columns)
    return frame.withColumn("path", F.lit("/a")).select(*TABLES[QUARANTINE].column_names)


def append(lake: DropLake, frame: DataFrame, files: int = 1) -> None:
    """Append rows to quarantine in one commit of so many files."""
    path = table_path(lake.settings, QUARANTINE)
    frame.repartition(files).write.format("delta").mode("append").save(path)


def look(lake: DropLake, name: str = QUARANTINE, limits: Limits = ANY) -> Files:
    """Count a table's files."""
    return look_at(lake.spark, lake.settings, name, limits)


def upkeep(lake: DropLake, limits: Limits, **more: Any) -> Upkeep:
    """Make the stream's upkeep with the same limits for all tables."""
    return Upkeep(lake.spark, lake.settings, limits=dict.fromkeys(TABLES, limits), **more)


@contextmanager
def java_errors(lake: DropLake) -> Iterator[Any]:
    """Catch what the JVM says on standard error."""
    jvm: Any = lake.spark._jvm
    before, said = jvm.java.lang.System.err, jvm.java.io.ByteArrayOutputStream()
    jvm.java.lang.System.setErr(jvm.java.io.PrintStream(said))
    try:
        yield said
    finally:
        jvm.java.lang.System.setErr(before)


@contextmanager
def java_output(lake: DropLake) -> Iterator[Any]:
    """Catch what the JVM prints on standard output, Scala's own included."""
    jvm: Any = lake.spark._jvm
    before, printed = jvm.java.lang.System.out, jvm.java.io.ByteArrayOutputStream()
    console = scala_object(jvm, "scala.Console")
    jvm.java.lang.System.setOut(jvm.java.io.PrintStream(printed))
    console.setOutDirect(jvm.java.lang.System.out)
    try:
        yield printed
    finally:
        jvm.java.lang.System.setOut(before)
        console.setOutDirect(before)


def test_maintain_leaves_fewer_files_the_same_rows_and_every_earlier_version(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and marks of deleted rows go; rows, earlier versions and accounts stay."""
    tables = (FEATURES, LEDGER, QUARANTINE)
    monkeypatch.setattr(batch.upkeep.maintain, "TABLES", tables)  # the others would only take time
    lake.put("a.csv", csv(*(row(f"c{n}") for n in range(4))))
    lake.take()
    lake.put("b.csv", csv(row("c1", last="2021-02-02", orders_offline="2")))
    lake.take()
    append(lake, refused(lake, 6), files=6)
    early = table_version(lake.spark, lake.settings, QUARANTINE)
    append(lake, refused(lake, 6, first=6), files=6)
    rows, features = lake.rows(QUARANTINE, order=["row_no"]), lake.features()
    assert look(lake, FEATURES).deletion_vectors > 0

    done = {each.table: each for each in maintain(lake.spark, lake.settings)}

    assert tuple(done) == tables
    assert (done[QUARANTINE].files_before, done[QUARANTINE].files_after) == (12, 1)
    assert (done[FEATURES].vectors_removed, done[FEATURES].rows_removed) == (1, 1)
    assert look(lake, FEATURES).deletion_vectors == 0
    assert lake.rows(QUARANTINE, order=["row_no"]) == rows
    assert lake.features() == features
    past = lake.spark.read.format("delta").option("versionAsOf", early)
    assert past.load(table_path(lake.settings, QUARANTINE)).count() == 6
    before = versions(lake)
    for name in tables:
        checkpoint = newest_snapshot(lake.spark, lake.settings, name).checkpointProvider()
        assert done[name].log_checkpoint == checkpoint.version() == before[name]
        assert done[name].files_vacuumed == 0, "they are needed for time travel"
    assert maintain(lake.spark, lake.settings) == [
        replace(
            each, files_before=each.files_after, bytes_before=each.bytes_after, vectors_removed=0,
            rows_removed=0,
        )
        for each in done.values()
    ]  # fmt: skip
    lake.processor()
    assert versions(lake) == before, "neither upkeep nor a stream's start finds anything to do"


def test_a_table_within_the_limits_is_not_written(lake: DropLake) -> None:
    """Below the stream's limits there is no commit, and big files are never written again."""
    append(lake, refused(lake, 400))
    append(lake, refused(lake, 5, first=400), files=5)
    big = max(lake.table(QUARANTINE).select("_metadata.file_path", "_metadata.file_size").collect(),
              key=lambda each: each["file_size"])  # fmt: skip
    limits = Limits(small_files=6, small_bytes=50_000)
    before = versions(lake)

    upkeep(lake, limits).after_batch()
    Upkeep(lake.spark, lake.settings).after_batch()
    assert versions(lake) == before

    append(lake, refused(lake, 1, first=405))
    upkeep(lake, limits).after_batch()
    assert look(lake).files == 2
    kept = lake.table(QUARANTINE).select("_metadata.file_path").distinct().collect()
    assert big["file_path"] in {each["file_path"] for each in kept}


def test_deleted_rows_are_taken_out_once_they_are_many(lake: DropLake) -> None:
    """A fifth is kept as it is, more than a fifth is not; the rows that are left are the same."""
    append(lake, refused(lake, 400))
    keep_up = upkeep(lake, replace(LIMITS[QUARANTINE], small_files=4)).after_batch
    table = open_table(lake.spark, lake.settings, QUARANTINE)
    table.delete("row_no < 80")
    keep_up()
    assert (look(lake).rows, look(lake).deleted_rows) == (400, 80)
    table.delete("row_no < 90")
    keep_up()
    assert (look(lake).rows, look(lake).deletion_vectors) == (310, 0)
    assert lake.rows(QUARANTINE, "row_no")[0] == (90,)


def test_the_version_says_when_to_look_so_that_short_runs_look_as_often(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is looked at once in so many commits, however often the stream is started."""
    looks: list[str] = []

    def count(spark: object, settings: object, name: str, limits: object) -> Files:
        looks.append(name)
        return Files(0, 0, 0, 0, 0, 0)

    monkeypatch.setattr(batch.upkeep.unattended, "look_at", count)
    limits = Limits(small_files=16)
    one_stream = upkeep(lake, limits)
    for number in range(8 - table_version(lake.spark, lake.settings, QUARANTINE)):
        append(lake, refused(lake, 1, first=number))
        one_stream.after_batch()
    assert looks.count(QUARANTINE) == 2
    assert table_version(lake.spark, lake.settings, QUARANTINE) % 4 == 0
    for _ in range(2):
        upkeep(lake, limits).after_batch()
    assert looks.count(QUARANTINE) == 4, "a new stream does not know that the last one looked"


@pytest.mark.parametrize("trouble", [RuntimeError("disk full"), TransientError("others")], ids=str)
def test_trouble_is_a_warning_and_is_not_repeated_after_each_batch(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Upkeep that fails or loses against other writers never ends the stream."""
    append(lake, refused(lake, 8), files=8)
    tries: list[str] = []

    def fail(spark: object, settings: object, name: str, limits: object, found: Files) -> None:
        if found.small_files < 4:
            return
        tries.append(name)
        raise trouble

    monkeypatch.setattr(batch.upkeep.unattended, "compact", fail)
    kept = upkeep(lake, Limits(small_files=4))
    kept.after_batch()
    kept.after_batch()
    assert tries == [QUARANTINE]


def test_nothing_is_begun_once_the_stream_is_asked_to_end(lake: DropLake) -> None:
    """A stop request does not wait for upkeep."""
    append(lake, refused(lake, 8), files=8)
    before = versions(lake)
    upkeep(lake, Limits(small_files=4), stopping=lambda: True).after_batch()
    assert versions(lake) == before


def test_a_table_that_others_keep_changing_is_left_for_the_next_time(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flo maintain` goes on with the other tables and says what it left."""
    append(lake, refused(lake, 2), files=2)

    def lose(action: object, what: str) -> None:
        raise TransientError(f"Other writers kept changing {what}; let them end and try again.")

    monkeypatch.setattr(batch.upkeep.maintain, "retry_conflicts", lose)
    monkeypatch.setattr(batch.upkeep.maintain, "TABLES", (LEDGER, QUARANTINE))
    done = maintain(lake.spark, lake.settings)
    assert [(each.table, each.files_after, bool(each.note)) for each in done] == [
        (LEDGER, 0, False),
        (QUARANTINE, 2, True),
    ]


def test_updates_and_compaction_beside_each_other_both_end_well(lake: DropLake) -> None:
    """Whoever loses tries again: all updates are there, and the files are fewer."""
    append(lake, refused(lake, 12), files=12)
    errors: list[BaseException] = []

    def change() -> None:
        table = open_table(lake.spark, lake.settings, QUARANTINE)
        try:
            for number in range(3):
                new = {"raw": F.lit(f"seen {number}")}
                retry_conflicts(partial(table.update, set=new), QUARANTINE)
                append(lake, refused(lake, 1, first=12 + number))
        except BaseException as error:
            errors.append(error)

    writer = threading.Thread(target=change)
    session = own_session(lake.spark)
    writer.start()
    while writer.is_alive():
        with suppress(TransientError):  # it may lose for good against so many updates
            compact(session, lake.settings, QUARANTINE, ANY, look(lake))
    writer.join()
    compact(session, lake.settings, QUARANTINE, ANY, look(lake))
    assert errors == []
    assert look(lake).files == 1
    found = lake.rows(QUARANTINE, "row_no", "raw")
    assert [number for number, _ in found] == list(range(15))
    assert {text for _, text in found[:14]} == {"seen 2"}


def test_files_are_removed_once_no_kept_version_needs_them(lake: DropLake) -> None:
    """What is older than the table keeps goes, is counted, and the newest version stays whole."""
    append(lake, refused(lake, 6), files=6)
    path = table_path(lake.settings, QUARANTINE)
    session = own_session(lake.spark)
    assert compact(session, lake.settings, QUARANTINE, ANY, look(lake)) == ["optimized"]
    assert not may_have_old_files(session, lake.settings, QUARANTINE)
    assert vacuum(session, lake.settings, QUARANTINE) == 0
    nothing = "'delta.deletedFileRetentionDuration' = 'interval 0 seconds'"
    lake.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({nothing})")
    with java_errors(lake) as said:
        assert vacuum(session, lake.settings, QUARANTINE) == 6
    assert "Deleted 6 files" in said.toString(), "standard output is for results"
    assert lake.count(QUARANTINE) == 6


def test_the_stream_removes_old_files_once_a_day_and_only_from_old_tables(
    lake: DropLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A young table has no old file, so it is not even listed; the day's mark outlives a stream."""
    removed: list[str] = []

    def note(spark: object, settings: object, name: str) -> int:
        removed.append(name)
        return 0

    monkeypatch.setattr(batch.upkeep.unattended, "vacuum", note)
    often = Limits(small_files=4)
    append(lake, refused(lake, 1))
    upkeep(lake, often).after_batch()
    assert (removed, lake.files.exists(vacuum_marker(lake.settings))) == ([], False)
    monkeypatch.setattr(
        batch.upkeep.unattended, "may_have_old_files", lambda _s, _t, name: name == LEDGER
    )
    for _ in range(2):
        upkeep(lake, often).after_batch()
    assert removed == [LEDGER]


def test_tables_of_an_older_version_get_their_properties_once(lake: DropLake) -> None:
    """Every table keeps earlier versions for `keep_days`, whenever it was made."""
    path = table_path(lake.settings, LEDGER)
    unset = "'delta.deletedFileRetentionDuration', 'delta.checkpointInterval'"
    lake.spark.sql(f"ALTER TABLE delta.`{path}` UNSET TBLPROPERTIES ({unset})")
    assert set_properties(lake.spark, lake.settings) == [LEDGER]
    assert set_properties(lake.spark, lake.settings) == []
    longer = lake.settings.model_copy(update={"keep_days": 60})
    assert set_properties(lake.spark, longer) == list(TABLES)
    often = "'delta.checkpointInterval' = '3'"
    lake.spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({often})")
    assert set_properties(lake.spark, longer) == [], "the operator's own choice stays"
    [details] = open_table(lake.spark, lake.settings, LEDGER).detail().collect()
    assert details["properties"]["delta.deletedFileRetentionDuration"] == "interval 60 days"
    assert details["properties"]["delta.logRetentionDuration"] == "interval 60 days"


def test_less_than_a_week_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader or writer that still runs may need what was replaced a moment ago."""
    monkeypatch.setenv("FLO_KEEP_DAYS", "6")
    with pytest.raises(ConfigError, match="keep_days"):
        Settings.load()


def test_without_tables_the_remedy_is_named(lake: DropLake) -> None:
    """Before `flo init` the command says what to do first."""
    with pytest.raises(NotFoundError, match="flo init"):
        maintain(lake.spark, Settings(root="/tests/nothing-here"))


@pytest.mark.integration
def test_the_command_prints_rows_and_nothing_else(lake: DropLake) -> None:
    """What Delta prints by itself does not get between the rows: not to Java's standard output."""
    append(lake, refused(lake, 3), files=3)
    with java_output(lake) as printed:
        rows = ask_json("maintain", root=lake.settings.root)
    assert printed.toString() == ""
    assert list(rows[0]) == [name for name in Upkept.__annotations__ if name != "note"]
    [found] = [each for each in rows if each["table"] == QUARANTINE]
    assert (found["files_before"], found["files_after"]) == (3, 1)
