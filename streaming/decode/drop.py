"""One drop from its stored bytes to a staged Parquet file, and what was found on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import structlog

from lake.contract import Contract
from lake.errors import DropRejected, FloError
from streaming.decode.batches import BatchReader
from streaming.decode.dialect import Layout, find_layout
from streaming.decode.formats import FormatEvidence
from streaming.decode.records import Block, split_blocks, split_lines
from streaming.decode.room import Room
from streaming.decode.staging import staged_writer
from streaming.decode.text import binary_content, inspect_text, line_too_long

log = structlog.get_logger()

_CHUNK = 1 << 22
_OPENING = 1 << 16


@dataclass(frozen=True)
class DecodedDrop:
    """What was found in a drop.

    Attributes:
        rows: records read, good or bad, without header and blank lines.
        columns: the header in order, by contract name where known; unnamed ones are empty.
        present: columns of the contract that the header has and the tables keep, sorted.
        date_order: ``dmy`` or ``mdy``, for all dates whose year comes last.
        date_formats: the formats of each date column that has dates, such as ``yyyy-MM-dd``; all
            cells of it that are dates at all are in one of them.
        decimal_marks: for each count and money column of the contract, ``.`` or ``,``.
        plain: columns of the contract whose cells are all plain, where they are numbers or dates:
            :data:`~streaming.notation.PLAIN_NUMBER`, :data:`~streaming.notation.PLAIN_DATE`.
        date_format: the date formats, for the ledger.
        decimal_mark: the decimal marks, for the ledger.
        notes: what is worth telling once; never a cell's value.
    """

    rows: int
    columns: tuple[str, ...]
    present: tuple[str, ...]
    delimiter: str
    encoding: str
    date_order: str
    date_formats: dict[str, str]
    decimal_marks: dict[str, str]
    plain: frozenset[str]
    date_format: str
    decimal_mark: str
    notes: tuple[str, ...]


def decode_drop(
    spool: Path, name: str, contract: Contract, staged: Path, *, drop_id: str, max_line_bytes: int
) -> DecodedDrop:
    """Decode a drop's stored bytes into a staged Parquet file, in constant memory.

    A row that cannot be read has a problem and its raw text, and null in every column. Lengths
    of lines are compared with `max_line_bytes` in characters.

    Args:
        spool: local copy of the stored bytes.
        name: the drop's file name.
        staged: the Parquet file to write; it is not there after an error.

    Raises:
        DropRejected: nothing of the drop can be used; the code and the message say why. A drop
            that trips the decoder itself (``decoder_failed``) must not stop those behind it.
    """
    try:
        return _decode(spool, name, contract, staged, drop_id, max_line_bytes)
    except (FloError, OSError, MemoryError):
        raise
    except Exception as error:
        # Its text may quote a cell.
        kind = type(error).__name__
        log.error("decoder failed", drop_id=drop_id[:12], error=kind)
        raise DropRejected(
            "decoder_failed",
            f"The file could not be decoded ({kind}), which is a defect of this program; "
            "report it, and drop the file again after an update.",
        ) from None


def _decode(
    spool: Path, name: str, contract: Contract, staged: Path, drop_id: str, max_line_bytes: int
) -> DecodedDrop:
    stored = spool.stat().st_size
    room = Room.of(staged.parent, stored, copied=stored)
    room.require(stored)
    text = inspect_text(spool, name, max_line_bytes, room)
    blocks = split_blocks(text.chunks(min(_CHUNK, max_line_bytes)), max_line_bytes)
    opening = _read_opening(blocks)
    lines = split_lines(opening.text)
    try:
        layout = find_layout(lines, contract, looks_binary=text.looks_binary)
    except DropRejected as error:
        if opening.too_long and error.code == "empty_file":
            error = binary_content() if text.looks_binary else line_too_long(max_line_bytes)
        raise error from None
    rest = Block("".join(lines[layout.header_lines :]))
    reader = BatchReader(layout, max_line_bytes)
    evidence = FormatEvidence(contract, set(layout.positions))
    with staged_writer(staged, contract, drop_id, layout, room) as writer:
        for batch in reader.read(chain([rest], opening.after, blocks)):
            for column, at in layout.positions.items():
                evidence.add(column, batch.cells[at])
            writer.write(batch)
        if writer.rows == 0:
            raise DropRejected(
                "header_only", "The file has a header and no rows; send it again with its data."
            )
    return _describe(text.encoding, text.notes, layout, reader, evidence, contract, writer.rows)


@dataclass(frozen=True)
class _Opening:
    text: str
    after: tuple[Block, ...]

    @property
    def too_long(self) -> bool:
        return bool(self.after)


def _read_opening(blocks: Iterator[Block]) -> _Opening:
    """Gather enough lines to see the header and some records."""
    parts: list[str] = []
    size = 0
    for block in blocks:
        if block.too_long:
            return _Opening("".join(parts), (block,))
        parts.append(block.text)
        size += len(block.text)
        if size >= _OPENING:
            break
    return _Opening("".join(parts), ())


def _describe(
    encoding: str,
    notes: tuple[str, ...],
    layout: Layout,
    reader: BatchReader,
    evidence: FormatEvidence,
    contract: Contract,
    rows: int,
) -> DecodedDrop:
    notation = evidence.decide()
    blank = layout.blank_lines + reader.blank_lines
    lines = [f"{blank:,} blank lines skipped"] if blank else []
    if reader.spanning:
        lines.append(f"{reader.spanning:,} records have line breaks within quotes")
    return DecodedDrop(
        rows=rows,
        columns=layout.columns,
        present=layout.present(contract),
        delimiter=layout.delimiter,
        encoding=encoding,
        date_order=notation.date_order,
        date_formats=notation.date_formats,
        decimal_marks=notation.decimal_marks,
        plain=notation.plain,
        date_format=notation.date_format,
        decimal_mark=notation.decimal_mark,
        notes=notes + layout.notes + tuple(lines) + notation.notes,
    )
