"""From blocks of lines to column batches: in bulk where a block's quotes are simple."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from streaming.decode.dialect import Layout
from streaming.decode.records import (
    WHITE,
    Block,
    Record,
    RecordReader,
    is_readable,
    readable,
)
from streaming.decode.text import line_too_long

ROWS = 1 << 16
# Even an empty cell takes some bytes, in each of a dozen copies.
_CELLS = 1 << 21

# Stands for a delimiter within quotes while a block is split; no readable text contains it.
_MASK = "\0"


@dataclass(frozen=True)
class Batch:
    """Some consecutive records, column by column.

    Attributes:
        raw: each record's text.
        cells: one array per place in the record, trimmed, empty ones null; all null in a row
            that has a problem.
        problems: what is wrong with each row, or None; None where all are well.
    """

    raw: pa.Array
    cells: list[pa.Array]
    problems: list[str | None] | None


@dataclass
class BatchReader:
    """Reads blocks into batches.

    Attributes:
        quick: split blocks with no or simple quotes in bulk; the result is the same.
        careful: parse all other records with the reference (for tests).
        blank_lines: how many blank lines were skipped.
        spanning: how many records go over several lines.
    """

    layout: Layout
    limit: int
    quick: bool = True
    careful: bool = False
    blank_lines: int = 0
    spanning: int = 0
    _reader: RecordReader = field(init=False)
    _rows: int = field(init=False)
    _quoted: re.Pattern[str] = field(init=False)
    _before_quote: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._reader = RecordReader(
            self.layout.delimiter, self.layout.width, self.limit, self.careful
        )
        self._rows = max(1, min(ROWS, _CELLS // self.layout.width))
        end = f"(?=[{re.escape(self.layout.delimiter)}\n]|\\Z)"
        self._quoted = re.compile(f'"([^"\n]*)"{end}')
        self._before_quote = {self.layout.delimiter, "\n", ""}

    def read(self, blocks: Iterable[Block]) -> Iterator[Batch]:
        """Read all blocks.

        Raises:
            DropRejected: ``line_too_long`` where already the first record is.
        """
        waiting, any_rows = "", False
        for block in blocks:
            if block.too_long:
                yield from self._read_slowly(waiting, final=True)[0]
                if not any_rows and not waiting:
                    raise line_too_long(self.limit)
                waiting, any_rows = "", True
                yield self._batch([Record(readable(block.text), None, "record_too_long")])
                continue
            batches, waiting = self._read_block(waiting + block.text)
            for batch in batches:
                any_rows = True
                yield batch
        yield from self._read_slowly(waiting, final=True)[0]
        self.blank_lines += self._reader.blank_lines
        self.spanning = self._reader.spanning

    def _read_block(self, text: str) -> tuple[Iterable[Batch], str]:
        """Read whole lines; return also the text of a record that may go on in the next block."""
        if self.quick and text and is_readable(text):
            folded = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
            # Off before quotes are: a quoted nothing in the last line must not uncover another end.
            folded = folded.removesuffix("\n")
            masked = self._mask(folded)
            if '"' not in masked:
                return self._read_quickly(folded, masked), ""
        return self._read_slowly(text, final=False)

    def _read_slowly(self, text: str, *, final: bool) -> tuple[Iterable[Batch], str]:
        records, waiting = self._reader.read(text, final=final)
        starts = range(0, len(records), self._rows)
        return (self._batch(records[start : start + self._rows]) for start in starts), waiting

    def _batch(self, records: Sequence[Record]) -> Batch:
        none = [""] * self.layout.width
        rows = [none if record.fields is None else record.fields for record in records]
        cells = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        problems = [record.problem for record in records]
        raw = pa.array([record.raw for record in records], pa.string())
        return self._finish(raw, cells, problems if any(problems) else None)

    def _read_quickly(self, text: str, masked: str) -> Iterator[Batch]:
        raw = _lines(text)
        simple = None if masked is text else _lines(masked)
        rows = self._rows
        for start in range(0, len(raw), rows):
            batch = self._split(
                raw.slice(start, rows), None if simple is None else simple.slice(start, rows)
            )
            if batch is not None:
                yield batch

    def _mask(self, text: str) -> str:
        """Take the quotes off simple quoted fields and mask the delimiters in them.

        Simple means: on one line, without doubled quotes, nothing between quote and delimiter.
        Where quotes are left over, the text holds others too and must be read one by one.
        """
        if '"' not in text:
            return text
        delimiter, before = self.layout.delimiter, self._before_quote

        def unquoted(match: re.Match[str]) -> str:
            start = match.start()
            if text[max(start - 1, 0) : start] in before:
                return match[1].replace(delimiter, _MASK)
            return match[0]

        return self._quoted.sub(unquoted, text)

    def _split(self, raw: pa.Array, masked: pa.Array | None) -> Batch | None:
        simple = raw if masked is None else masked
        delimiter, width = self.layout.delimiter, self.layout.width
        fields = pc.split_pattern(simple, delimiter)
        blank = self._blank(simple, fields)
        if blank.true_count:
            self.blank_lines += blank.true_count
            kept = pc.invert(blank)
            if kept.true_count == 0:
                return None
            raw, simple, fields = raw.filter(kept), simple.filter(kept), fields.filter(kept)
        right = pc.equal(pc.list_value_length(fields), width)
        problems: list[str | None] | None = None
        if not pc.all(right).as_py():
            problems = [None if ok else "wrong_field_count" for ok in right.to_pylist()]
            # A line of empty fields stands in, so that all lists have the same length.
            whole = pc.if_else(right, simple, delimiter * (width - 1))
            fields = pc.split_pattern(whole, delimiter)
        cells = [pc.list_element(fields, at) for at in range(width)]
        if masked is not None:
            cells = [pc.replace_substring(column, _MASK, delimiter) for column in cells]
        return self._finish(raw, cells, problems)

    def _blank(self, lines: pa.Array, fields: pa.Array) -> pa.Array:
        """Tell for each line whether it has no cell; for most the first field says that it has."""
        first = pc.utf8_trim(pc.list_element(fields, 0), characters=WHITE)
        is_candidate = pc.equal(first, "")
        if not is_candidate.true_count:
            return is_candidate
        nothing = WHITE + self.layout.delimiter
        return pc.and_(is_candidate, pc.equal(pc.utf8_trim(lines, characters=nothing), ""))

    def _finish(
        self, raw: pa.Array, cells: list[pa.Array], problems: list[str | None] | None
    ) -> Batch:
        cells = [_cleaned(column) for column in cells]
        for at in self.layout.surplus:
            if cells[at].null_count < len(raw):
                filled = cells[at].is_valid()
                cells = [pc.if_else(filled, None, column) for column in cells]
                problems = [
                    "wrong_field_count" if bad else problem
                    for bad, problem in zip(
                        filled.to_pylist(), problems or [None] * len(raw), strict=True
                    )
                ]
        return Batch(raw, cells, problems)


def _lines(text: str) -> pa.Array:
    return pc.split_pattern(pa.array([text], pa.string()), "\n").flatten()


def _cleaned(column: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim(column, characters=WHITE)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)
