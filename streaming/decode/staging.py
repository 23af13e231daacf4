"""The staged Parquet file: one row per record, all columns of the contract as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake.contract import Contract
from streaming.decode.batches import ROWS, Batch
from streaming.decode.dialect import Layout
from streaming.decode.room import Room

# What a row group holds at most, as long as a row does not hold more. Spark reads thousands of rows
# at once, but never from two groups, so that this bounds its memory as well.
_GROUP_BYTES = 1 << 26
# Names of columns are copied beside each row.
_RESCUED_BYTES = 1 << 22


def staged_schema(contract: Contract) -> pa.Schema:
    """Return the schema of a staged drop."""
    return pa.schema(
        [
            pa.field("drop_id", pa.string(), nullable=False),
            pa.field("row_no", pa.int64(), nullable=False),
            pa.field("raw", pa.string(), nullable=False),
            pa.field("problems", pa.list_(pa.string()), nullable=False),
            pa.field("rescued", pa.map_(pa.string(), pa.string())),
            *(pa.field(name, pa.string()) for name in contract.columns),
        ]
    )


class StagedWriter:
    """Writes batches as they come, in row groups of at most `ROWS` rows and `_GROUP_BYTES`.

    Attributes:
        rows: how many rows were written.
    """

    def __init__(self, writer: pq.ParquetWriter, drop_id: str, layout: Layout, room: Room) -> None:
        self.rows = 0
        self._room = room
        self._rescued_bytes = 0
        self._writer = writer
        self._drop_id = drop_id
        self._layout = layout
        self._buffered: list[pa.RecordBatch] = []
        self._buffered_rows = 0
        self._buffered_bytes = 0
        names = sum(len(name.encode()) for name in layout.rescued.values())
        self._at_once = max(1, _RESCUED_BYTES // (names + 1))

    def write(self, batch: Batch) -> None:
        """Number the rows of a batch and write them."""
        for start in range(0, len(batch.raw), self._at_once):
            self._write(batch.slice(start, self._at_once))

    def _write(self, batch: Batch) -> None:
        count = len(batch.raw)
        schema: pa.Schema = self._writer.schema
        rescued = self._rescued(batch)
        self._rescued_bytes += rescued.nbytes
        self._room.require(self._rescued_bytes)
        arrays = [
            pa.repeat(pa.scalar(self._drop_id, pa.string()), count),
            pa.array(range(self.rows + 1, self.rows + count + 1), pa.int64()),
            batch.raw,
            _problems(batch),
            rescued,
        ]
        for name in schema.names[len(arrays) :]:
            at = self._layout.positions.get(name)
            arrays.append(pa.nulls(count, pa.string()) if at is None else batch.cells[at])
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        if self._buffered_rows + count > ROWS or self._buffered_bytes + rows.nbytes > _GROUP_BYTES:
            self.flush()
        self._buffered.append(rows)
        self._buffered_rows += count
        self._buffered_bytes += rows.nbytes
        self.rows += count

    def flush(self) -> None:
        """Write what is buffered as a row group."""
        if self._buffered:
            table = pa.Table.from_batches(self._buffered)
            self._writer.write_table(table, row_group_size=ROWS)
            self._buffered, self._buffered_rows, self._buffered_bytes = [], 0, 0

    def _rescued(self, batch: Batch) -> pa.Array:
        kept = {
            name: batch.cells[at]
            for at, name in self._layout.rescued.items()
            if batch.cells[at].null_count < len(batch.raw)
        }
        kind = pa.map_(pa.string(), pa.string())
        if not kept:
            return pa.nulls(len(batch.raw), kind)
        rows = zip(*(column.to_pylist() for column in kept.values()), strict=True)
        items = [[(n, v) for n, v in zip(kept, row, strict=True) if v is not None] for row in rows]
        return pa.array([each or None for each in items], kind)


def _problems(batch: Batch) -> pa.Array:
    kind = pa.list_(pa.string())
    if batch.problems is None:
        return pa.array([[]] * len(batch.raw), kind)
    return pa.array([[] if each is None else [each] for each in batch.problems], kind)


@contextmanager
def staged_writer(
    staged: Path, contract: Contract, drop_id: str, layout: Layout, room: Room
) -> Iterator[StagedWriter]:
    """Open a staged file; it is removed again if anything goes wrong."""
    try:
        with pq.ParquetWriter(staged, staged_schema(contract), compression="snappy") as writer:
            rows = StagedWriter(writer, drop_id, layout, room)
            yield rows
            rows.flush()
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
