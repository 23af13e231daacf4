"""Decode many drops one by one, have Spark judge them all at once, and compare every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from lake.contract import load_contract
from lake.fs import FileInfo
from lake.settings import Settings
from streaming.decode import DecodedDrop, decode_drop
from streaming.intake import Drop
from streaming.rows import judging
from tests.lakes import HEADER
from tests.streaming.resaved import Dialect, Table, day_start

T0 = 1_640_000_000_000  # 2021-12-20
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
    """A decoded file: what was found in it, and its rows of text."""

    drop_id: str
    found: DecodedDrop
    path: Path


def stage(data: bytes, dialect: Dialect, folder: Path, drop_id: str) -> Staged:
    """Decode a file's bytes as the stream does."""
    spool, path = folder / f"{drop_id}.spool", folder / f"{drop_id}.parquet"
    name = "drop.csv.gz" if dialect.gzipped else "drop.csv"
    spool.write_bytes(data)
    found = decode_drop(spool, name, CONTRACT, path, drop_id=drop_id, max_line_bytes=1 << 20)
    spool.unlink()
    return Staged(drop_id, found, path)


def holds(staged: Staged, texts: Mapping[str, Sequence[str]]) -> bool:
    """Whether the staged cells are exactly these texts, with no other cell and no problem."""
    cells = pq.read_table(staged.path, columns=["problems", "rescued", *CONTRACT.columns])
    if pc.any(pc.greater(pc.list_value_length(cells["problems"]), 0)).as_py():
        return False
    return all(
        cells[name].to_pylist() == [text or None for text in texts[name]]
        if name in texts
        else cells[name].null_count == len(cells)
        for name in ["rescued", *CONTRACT.columns]
    )


def tells(staged: Staged, dialect: Dialect) -> bool:
    """Whether what the ledger will say of a file is how it was saved."""
    found = staged.found
    days = dialect.days.replace("ISO with offset", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
    encoding = dialect.encoding.lower().partition(" with")[0].replace(" ", "-")
    return (
        (found.delimiter, found.encoding) == (dialect.delimiter, encoding)
        and found.date_format == days.replace("ISO in UTC", "yyyy-MM-dd'T'HH:mm:ssXXX")
        and {found.decimal_marks[name] for name in MONEY} == {dialect.mark}
    )


def judge_all(spark: SparkSession, files: Sequence[Staged], folder: Path) -> dict[str, pa.Table]:
    """Type and judge the rows of all these files in one job: the accepted rows by drop."""
    whole = folder / "whole.parquet"
    with pq.ParquetWriter(whole, pq.read_schema(files[0].path)) as writer:
        for each in files:
            writer.write_table(pq.read_table(each.path))
    drops = [(_drop(each), each.found) for each in files]
    with judging(spark, spark.read.parquet(f"file://{whole}"), drops, CONTRACT) as judged:
        accepted = judged.accepted.toArrow()
    accepted = accepted.sort_by([("drop_id", "ascending"), ("row_no", "ascending")])
    by_drop = pc.index_in(accepted["drop_id"], pa.array([each.drop_id for each in files]))
    return {each.drop_id: accepted.filter(pc.equal(by_drop, at)) for at, each in enumerate(files)}


def _drop(staged: Staged) -> Drop:
    info = FileInfo(f"/landing/{staged.drop_id}.csv", 1, T0, False, "supplier", 0o644)
    return Drop(info, staged.drop_id, staged.path, info.modified_at, info.modified_at)


def as_typed(table: Table) -> dict[str, pa.Array]:
    """Say what the stream must make of a table's values, from them alone."""
    typed = {name: pa.array(table[name], TYPES.get(name, pa.string())) for name in table}
    starts = [day_start(day) for day in table["last_order_date"] if isinstance(day, date)]
    typed["last_order_at"] = pa.array(starts, pa.timestamp("us", "UTC"))
    typed["row_no"] = pa.array(range(1, len(starts) + 1), pa.int64())
    return typed


def differences(rows: pa.Table, expected: Mapping[str, pa.Array]) -> list[str]:
    """Name the columns in which accepted rows are not what they must be; never their values."""
    due = len(expected["master_id"])
    if len(rows) != due:
        return [f"{len(rows)} of {due} rows accepted"]
    return [
        name
        for name, values in expected.items()
        if not rows[name].combine_chunks().cast(values.type).equals(values)
    ]
