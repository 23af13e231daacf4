"""One drop from its stored bytes to a staged Parquet file, and what was found on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import structlog

from lake.contract import Contract
from lake.errors import DropRejected, FloError
from streaming.decode.batches import BatchReader
from streaming.decode.columns import Cells, type_columns
from streaming.decode.dialect import Layout, find_layout
from streaming.decode.formats import FormatEvidence, Notation
from streaming.decode.records import Block, split_blocks, split_lines
from streaming.decode.room import Room
from streaming.decode.staging import Origin, staged_writer
from streaming.decode.text import TextFile, binary_content, inspect_text, line_too_long

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
        notation: how its dates and numbers were read.
        date_format: the date formats, for the ledger.
        decimal_mark: the decimal marks, for the ledger.
        examples: of each reason that comes from a cell, where the first such cell is.
        notes: what is worth telling once; never a cell's value.
    """

    rows: int
    columns: tuple[str, ...]
    present: tuple[str, ...]
    delimiter: str
    encoding: str
    notation: Notation
    date_format: str
    decimal_mark: str
    examples: Mapping[str, str]
    notes: tuple[str, ...]


def decode_drop(
    spool: Path, staged: Path, contract: Contract, origin: Origin, *, max_line_bytes: int
) -> DecodedDrop:
    """Decode a drop's stored bytes into a staged Parquet file, in constant memory.

    A row that cannot be read has a problem and its raw text, and null in every column. Lengths
    of lines are compared with `max_line_bytes` in characters.

    Args:
        spool: local copy of the stored bytes.
        staged: the Parquet file to write, see :func:`streaming.decode.staging.staged_schema`; it is
            not there after an error.
        contract: the columns, their types, and how numbers and dates may be written.
        origin: what each row is to tell of where it is from.

    Raises:
        DropRejected: nothing of the drop can be used; the code and the message say why. A drop
            that trips the decoder itself (``decoder_failed``) must not stop those behind it.
    """
    try:
        return _Decoder(spool, staged, contract, origin, max_line_bytes).decode()
    except (FloError, OSError, MemoryError):
        raise
    except Exception as error:
        # Its text may quote a cell.
        kind = type(error).__name__
        log.error("decoder failed", drop_id=origin.drop_id[:12], error=kind)
        raise DropRejected(
            "decoder_failed",
            f"The file could not be decoded ({kind}), which is a defect of this program; "
            "report it, and drop the file again after an update.",
        ) from None


class _Decoder:
    """Decodes one drop."""

    def __init__(
        self, spool: Path, staged: Path, contract: Contract, origin: Origin, max_line_bytes: int
    ) -> None:
        self._spool = spool
        self._staged = staged
        self._contract = contract
        self._origin = origin
        self._name = origin.path.rpartition("/")[2]
        self._limit = max_line_bytes
        stored = spool.stat().st_size
        self._room = Room.of(staged.parent, stored, copied=stored)
        self._room.require(stored)

    def decode(self) -> DecodedDrop:
        text = inspect_text(self._spool, self._name, self._limit, self._room)
        found, assumed = self._read(text, None)
        if found.notation != assumed:
            # Cells at the end have overturned what those at the beginning spoke for.
            found, _ = self._read(text, found.notation)
        return found

    def _read(self, text: TextFile, assumed: Notation | None) -> tuple[DecodedDrop, Notation]:
        """Read all records by the notation assumed, or else by what the first of them speak for.

        Returns:
            What was found, and by which notation cells were read.
        """
        layout, blocks = self._open(text)
        reader = BatchReader(layout, self._limit)
        cells = Cells(self._contract, layout)
        evidence = FormatEvidence(self._contract, set(layout.positions), self._name)
        with staged_writer(
            self._staged, self._contract, self._origin, layout, self._room
        ) as writer:
            for batch in reader.read(blocks):
                columns = cells.of(batch)
                for name, column in columns.items():
                    evidence.add(name, column)
                assumed = assumed or evidence.guess()
                writer.write(batch, type_columns(columns, self._contract, assumed))
            if writer.rows == 0 or assumed is None:
                raise DropRejected(
                    "header_only", "The file has a header and no rows; send it again with its data."
                )
            decided = evidence.decide()
        notes = (*text.notes, *layout.notes, *_notes(layout, reader, cells), *decided.notes)
        return DecodedDrop(
            rows=writer.rows,
            columns=layout.columns,
            present=layout.present(self._contract),
            delimiter=layout.delimiter,
            encoding=text.encoding,
            notation=decided.notation,
            date_format=decided.date_format,
            decimal_mark=decided.decimal_mark,
            examples=writer.examples,
            notes=notes,
        ), assumed

    def _open(self, text: TextFile) -> tuple[Layout, Iterator[Block]]:
        """Read the header; return what it says, and the lines after it."""
        blocks = split_blocks(text.chunks(min(_CHUNK, self._limit)), self._limit)
        opening = _read_opening(blocks)
        lines = split_lines(opening.text)
        try:
            layout = find_layout(lines, self._contract, looks_binary=text.looks_binary)
        except DropRejected as error:
            if opening.too_long and error.code == "empty_file":
                error = binary_content() if text.looks_binary else line_too_long(self._limit)
            raise error from None
        rest = Block("".join(lines[layout.header_lines :]))
        return layout, chain([rest], opening.after, blocks)


def _notes(layout: Layout, reader: BatchReader, cells: Cells) -> Iterator[str]:
    blank = layout.blank_lines + reader.blank_lines
    if blank:
        yield f"{blank:,} blank lines skipped"
    if reader.spanning:
        yield f"{reader.spanning:,} records have line breaks within quotes"
    if cells.words:
        found = ((word, cells.words[word]) for word in cells.contract.missing)
        words = ", ".join(f"{word} ({count:,})" for word, count in found if count)
        yield f"words that stand for nothing, and how often: {words}"


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
