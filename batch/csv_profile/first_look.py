"""The first look at a file: first rows, counts, types, what is missing, who repeats.

Not named ``profile``: with a job of this folder started by Spark, that would hide Python's own.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from batch.csv_profile.types_of_text import TypeOfText

KEY = "master_id"
GROUPS = ("platform_type", "order_channel")
FIRST_ROWS = 5

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class ColumnLook:
    """One column: its inferred type, and how many of the rows have nothing in it."""

    name: str
    type: str
    missing: int
    missing_percent: float


@dataclass(frozen=True)
class FirstLook:
    """What the first look at a file shows.

    Attributes:
        first_rows: the first rows, as the file has them.
        repeats: rows whose ``master_id`` an earlier row has; None without such a column.
        groups: rows by value (None: missing) of each column of `GROUPS` that is there.
    """

    header: tuple[str, ...]
    rows: int
    first_rows: tuple[Row, ...]
    columns: tuple[ColumnLook, ...]
    repeats: int | None
    groups: dict[str, dict[str | None, int]]


def look_at(
    header: Sequence[str], known: Mapping[str, int], batches: Iterable[Sequence[pa.Array]]
) -> FirstLook:
    """Look at a file once, in memory of 8 bytes per row.

    Args:
        header: the column names.
        known: the places of ``master_id``, ``platform_type`` and ``order_channel``, where there.
        batches: the rows, column by column, texts with null for missing.
    """
    types = [TypeOfText() for _ in header]
    missing = [0] * len(header)
    groups: dict[str, Counter[str | None]] = {name: Counter() for name in GROUPS if name in known}
    repeats = _Repeats() if KEY in known else None
    first: list[Row] = []
    rows = 0
    for cells in batches:
        rows += len(cells[0])
        for at, column in enumerate(cells):
            types[at].add(column)
            missing[at] += column.null_count
        for name, counts in groups.items():
            counts.update(_count(cells[known[name]]))
        if repeats is not None:
            repeats.add(cells[known[KEY]])
        first += _rows(cells, FIRST_ROWS - len(first))
    return FirstLook(
        header=tuple(header),
        rows=rows,
        first_rows=tuple(first),
        columns=tuple(
            ColumnLook(name, types[at].name, missing[at], _percent(missing[at], rows))
            for at, name in enumerate(header)
        ),
        repeats=None if repeats is None else repeats.count(),
        groups={name: dict(counts.most_common()) for name, counts in groups.items()},
    )


@dataclass
class _Repeats:
    """Counts repeated values by 64-bit digests, kept apart by their first byte.

    Two values share a digest with a chance of one in a million among six million values.
    """

    buckets: list[array[int]] = field(
        default_factory=lambda: [array("Q") for _ in range(256)],
    )

    def add(self, values: pa.Array) -> None:
        """Take some more values; missing ones repeat nothing."""
        for value in values.drop_null().to_pylist():
            digest = blake2b(value.encode(), digest_size=8).digest()
            self.buckets[digest[0]].append(int.from_bytes(digest, "big"))

    def count(self) -> int:
        """Count the values that an earlier one equals."""
        return sum(len(bucket) - len(set(bucket)) for bucket in self.buckets)


def _count(values: pa.Array) -> dict[str | None, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(values).to_pylist()}


def _rows(cells: Sequence[pa.Array], count: int) -> list[Row]:
    if count <= 0:
        return []
    columns = [column.slice(0, count).to_pylist() for column in cells]
    return list(zip(*columns, strict=True))


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 4) if whole else 0.0
