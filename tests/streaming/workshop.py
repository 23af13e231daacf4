"""Decode many drops one by one, have Spark judge them all at once, and compare every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from lake.contract import load_contract
from lake.settings import Settings
from streaming.decode import DecodedDrop, Origin, decode_drop
from streaming.rows import judging, read_staged
from tests.lakes import HEADER
from tests.streaming.resaved import Dialect, Table, day_start

SEEN = datetime(2021, 12, 20, tzinfo=UTC)
BASE = HEADER.split(",")
COUNTS = [name for name in BASE if name.startswith("order_num")]
MONEY = [name for name in BASE if name.startswith("customer_value")]
DAYS = [name for name in BASE if "date" in name]
CATEGORIES = "interested_in_categories_12"
TYPES = {
    **dict.fromkeys(COUNTS, pa.int64()),
    **dict.fromkeys(MONEY, pa.decimal128(18, 2)),
    **dict.fromkeys(DAYS, pa.date32()),
    CATEGORIES: pa.list_(pa.string()),
}
CONTRACT = load_contract(Settings().contract)


@dataclass(frozen=True)
class Staged:
    """A decoded file: what was found in it, and its typed rows."""

    drop_id: str
    found: DecodedDrop
    path: Path


def stage(data: bytes, dialect: Dialect, folder: Path, drop_id: str) -> Staged:
    """Decode a file's bytes as the stream does."""
    spool, path = folder / f"{drop_id}.spool", folder / f"{drop_id}.parquet"
    name = "drop.csv.gz" if dialect.gzipped else "drop.csv"
    spool.write_bytes(data)
    origin = Origin(drop_id, f"/landing/{name}", SEEN, SEEN)
    found = decode_drop(spool, path, CONTRACT, origin, max_line_bytes=1 << 20)
    spool.unlink()
    return Staged(drop_id, found, path)


def misread(staged: Staged, expected: Mapping[str, pa.Array]) -> list[str]:
    """Name the columns in which the decoded rows are not these values; never their values."""
    rows = pq.read_table(staged.path)
    others = [
        name
        for name in ("problem", "rescued", *CONTRACT.columns)
        if name not in expected and rows[name].null_count < len(rows)
    ]
    unreadable = pc.sum(pc.list_value_length(rows["unreadable"])).as_py()
    return others + differences(rows, expected) + ["unreadable"] * unreadable


def tells(staged: Staged, dialect: Dialect) -> bool:
    """Whether what the ledger will say of a file is how it was saved."""
    found = staged.found
    days = dialect.days.replace("ISO with offset", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    encoding = dialect.encoding.lower().partition(" with")[0].replace(" ", "-")
    return (
        (found.delimiter, found.encoding) == (dialect.delimiter, encoding)
        and found.date_format == days.replace("ISO in UTC", "yyyy-MM-dd'T'HH:mm:ssXXX")
        and {found.notation.decimal_marks[name] for name in MONEY} == {dialect.mark}
    )


def judge_all(spark: SparkSession, files: Sequence[Staged], folder: Path) -> dict[str, pa.Table]:
    """Judge the rows of all these files in one job: the accepted rows by drop."""
    whole = folder / "whole.parquet"
    with pq.ParquetWriter(whole, pq.read_schema(files[0].path)) as writer:
        for each in files:
            writer.write_table(pq.read_table(each.path))
    drops = {each.drop_id: each.found for each in files}
    with judging(spark, read_staged(spark, f"file://{whole}", CONTRACT), drops, CONTRACT) as judged:
        accepted = judged.accepted.toArrow()
    accepted = accepted.sort_by([("drop_id", "ascending"), ("row_no", "ascending")])
    by_drop = pc.index_in(accepted["drop_id"], pa.array([each.drop_id for each in files]))
    return {each.drop_id: accepted.filter(pc.equal(by_drop, at)) for at, each in enumerate(files)}


def as_typed(table: Table) -> dict[str, pa.Array]:
    """Say what the stream must make of a table's values, from them alone."""
    typed = {name: pa.array(table[name], TYPES.get(name, pa.string())) for name in table}
    starts = [day_start(day) for day in table["last_order_date"] if isinstance(day, date)]
    typed["last_order_at"] = pa.array(starts, pa.timestamp("us", "UTC"))
    typed["row_no"] = pa.array(range(1, len(starts) + 1), pa.int64())
    return typed


def differences(rows: pa.Table, expected: Mapping[str, pa.Array]) -> list[str]:
    """Name the columns in which rows are not what they must be; never their values."""
    due = len(expected["master_id"])
    if len(rows) != due:
        return [f"{len(rows)} of {due} rows"]
    return [
        name
        for name, values in expected.items()
        if not rows[name].combine_chunks().cast(values.type).equals(values)
    ]
