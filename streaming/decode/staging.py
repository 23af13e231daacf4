"""The staged Parquet file: one typed row per record, and what is wrong with it."""

from __future__ import annotations

import re
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake.contract import Contract, Unreadable
from streaming.decode.batches import ROWS, Batch
from streaming.decode.columns import ARROW_TYPES, INSTANTS, Failure, TypedColumns
from streaming.decode.dialect import Layout
from streaming.decode.room import Room
from streaming.decode.values import INSTANT

# What a row group holds at most, as long as a row does not hold more. Spark reads thousands of rows
# at once, but never from two groups, so that this bounds its memory as well.
_GROUP_BYTES = 1 << 26
# Names of columns that the contract does not know are copied beside each cell.
_RESCUED_BYTES = 1 << 22
_TEXTS = pa.list_(pa.string())
_RESCUED = pa.map_(pa.string(), pa.string())
_NONE = pa.array([], pa.string())
_OF_CELLS = ("reasons", "warnings", "refusals", "unreadable")
_ORIGIN = pa.schema(
    [
        pa.field("drop_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("drop_time", INSTANT, nullable=False),
        pa.field("drop_day", pa.date32(), nullable=False),
        pa.field("present", _TEXTS, nullable=False),
    ]
)
_WORD = re.compile(r"(?i)^(?:null|none|nan|n/?a|unknown|yok|boş|true|false|[-?]{1,9})$")
_SHOWN = 24
_SHOWN_AS_IS = string.punctuation + " "


@dataclass(frozen=True)
class Origin:
    """Where the rows of a drop are from, which each of them tells.

    Attributes:
        drop_id: SHA-256 of the stored bytes.
        path: of the file in landing.
        drop_time: which decides between rows of one customer with equal dates.
        first_seen_at: when the stream first saw it.
    """

    drop_id: str
    path: str
    drop_time: datetime
    first_seen_at: datetime


def staged_schema(contract: Contract) -> pa.Schema:
    """Return the schema of a staged drop.

    ``problem`` says why a record could not be read: it has nothing but its text then. ``reasons``,
    ``warnings`` and ``refusals`` come from cells that are not of their type, and ``unreadable``
    names the columns of those, unless they count as missing.
    """
    return pa.schema(
        [
            pa.field("row_no", pa.int64(), nullable=False),
            pa.field("raw", pa.string(), nullable=False),
            pa.field("problem", pa.string()),
            *(pa.field(name, _TEXTS, nullable=False) for name in _OF_CELLS),
            pa.field("rescued", _RESCUED),
            *(pa.field(name, ARROW_TYPES[each.type]) for name, each in contract.columns.items()),
            *(pa.field(name, INSTANT) for name in INSTANTS.values()),
            *_ORIGIN,
        ]
    )


class StagedWriter:
    """Writes batches as they come, in row groups of at most `ROWS` rows and `_GROUP_BYTES`.

    Attributes:
        rows: how many rows were written.
        examples: of each reason that comes from a cell, where the first one is.
    """

    def __init__(
        self,
        writer: pq.ParquetWriter,
        contract: Contract,
        origin: Origin,
        layout: Layout,
        room: Room,
    ) -> None:
        self.rows = 0
        self.examples: dict[str, str] = {}
        self._room = room
        self._rescued_bytes = 0
        self._writer = writer
        self._contract = contract
        self._layout = layout
        day = origin.first_seen_at.astimezone(contract.zone).date()
        told = (origin.drop_id, origin.path, origin.drop_time, day, layout.present(contract))
        self._origin = [
            pa.scalar(value, each.type) for value, each in zip(told, _ORIGIN, strict=True)
        ]
        self._buffered: list[pa.RecordBatch] = []
        self._buffered_rows = 0
        self._buffered_bytes = 0

    def write(self, batch: Batch, typed: TypedColumns) -> None:
        """Number the rows of a batch and write them."""
        count = len(batch.raw)
        columns = {
            "row_no": pa.array(range(self.rows + 1, self.rows + count + 1), pa.int64()),
            "raw": batch.raw,
            "problem": pa.array(batch.problems or [None] * count, pa.string()),
            **self._of_cells(typed.failures, count),
            **typed.values,
            **{n: pa.repeat(v, count) for n, v in zip(_ORIGIN.names, self._origin, strict=True)},
        }
        schema: pa.Schema = self._writer.schema
        arrays = [
            columns[each.name] if each.name in columns else pa.nulls(count, each.type)
            for each in schema
        ]
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        at = schema.get_field_index("rescued")
        for start, rescued in self._rescued(batch):
            part = rows.slice(start, len(rescued))
            self._buffer(part.set_column(at, schema.field(at), rescued))

    def flush(self) -> None:
        """Write what is buffered as a row group."""
        if self._buffered:
            table = pa.Table.from_batches(self._buffered)
            self._writer.write_table(table, row_group_size=ROWS)
            self._buffered, self._buffered_rows, self._buffered_bytes = [], 0, 0

    def _buffer(self, rows: pa.RecordBatch) -> None:
        count = len(rows)
        if self._buffered_rows + count > ROWS or self._buffered_bytes + rows.nbytes > _GROUP_BYTES:
            self.flush()
        self._buffered.append(rows)
        self._buffered_rows += count
        self._buffered_bytes += rows.nbytes
        self.rows += count

    def _of_cells(self, failures: Mapping[int, list[Failure]], count: int) -> dict[str, pa.Array]:
        """What follows from the cells that are not of their type, by the contract."""
        if not failures:
            none = pa.ListArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), count + 1), _NONE)
            return dict.fromkeys(_OF_CELLS, none)
        lists: dict[str, list[list[str]]] = {name: [[]] * count for name in _OF_CELLS}
        for row, found in sorted(failures.items()):
            told: dict[str, list[str]] = defaultdict(list)
            for each in found:
                then = self._contract.unreadable_cell(each.column)
                if then is Unreadable.MISSING:
                    told["warnings"].append(each.reason)
                else:
                    told["reasons"].append(each.reason)
                if then is Unreadable.REFUSE:
                    told["refusals"].append(each.reason)
                if then is not Unreadable.MISSING and each.column not in told["unreadable"]:
                    told["unreadable"].append(each.column)
                if each.reason not in self.examples:
                    where = f"row {self.rows + row + 1:,}, column {each.column}"
                    self.examples[each.reason] = f"{where}: {_shape(each.cell)}"
            for name, texts in told.items():
                lists[name][row] = texts
        return {name: pa.array(rows, _TEXTS) for name, rows in lists.items()}

    def _rescued(self, batch: Batch) -> Iterator[tuple[int, pa.Array]]:
        """What the columns say that the contract does not know, for some rows at a time."""
        count = len(batch.raw)
        kept = {
            name: batch.cells[at]
            for at, name in self._layout.rescued.items()
            if batch.cells[at].null_count < count
        }
        names = sum(len(n.encode()) * (count - c.null_count) for n, c in kept.items())
        step = max(1, count * _RESCUED_BYTES // max(names, _RESCUED_BYTES))
        for start in range(0, count, step):
            cells = {name: column.slice(start, step) for name, column in kept.items()}
            rescued = _named(cells) if kept else pa.nulls(count, _RESCUED)
            self._rescued_bytes += rescued.nbytes
            self._room.require(self._rescued_bytes)
            yield start, rescued


def _named(cells: Mapping[str, pa.Array]) -> pa.Array:
    """Each row's cells under their names, without those that are empty."""
    rows = zip(*(column.to_pylist() for column in cells.values()), strict=True)
    named = ([(n, v) for n, v in zip(cells, r, strict=True) if v is not None] for r in rows)
    return pa.array([each or None for each in named], _RESCUED)


def _shape(cell: str) -> str:
    """Tell how a cell is written, and nothing of what it says, for it may be anybody's name."""
    if _WORD.match(cell):
        return f"the word {cell}"
    shape = "".join("9" if c.isdigit() else c if c in _SHOWN_AS_IS else "a" for c in cell[:_SHOWN])
    return f"written like {shape!r}{' …' if len(cell) > _SHOWN else ''}"


@contextmanager
def staged_writer(
    staged: Path, contract: Contract, origin: Origin, layout: Layout, room: Room
) -> Iterator[StagedWriter]:
    """Open a staged file; it is removed again if anything goes wrong."""
    try:
        # A decimal of up to 18 digits is a number to Spark then, and not an object.
        with pq.ParquetWriter(
            staged, staged_schema(contract), compression="snappy", store_decimal_as_integer=True
        ) as writer:
            rows = StagedWriter(writer, contract, origin, layout, room)
            yield rows
            rows.flush()
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
