"""Any CSV file as column batches, read by the stream's own decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import pyarrow as pa

from lake.contract import Column, Contract, normalise_header
from lake.errors import ConfigError, DropRejected
from streaming.decode.batches import BatchReader
from streaming.decode.dialect import DELIMITERS, Layout, find_layout
from streaming.decode.records import Block, parse_record, split_blocks, split_lines
from streaming.decode.text import inspect_text

_CHUNK = 1 << 22
_OPENING = 1 << 16
# These say that there is no table to look at; other refusals are the stream's business only.
_HOPELESS = {
    "empty_file",
    "binary_content",
    "undecodable_text",
    "no_header",
    "too_many_columns",
    "long_header",
}


@dataclass
class CsvFile:
    """One file's columns and what is in them.

    Attributes:
        header: the column names as the file writes them; a nameless one is its place.
        known: the place of each column that the contract knows, by the contract's name.
        bad_rows: records that could not be read so far; complete once all batches are read.
    """

    header: tuple[str, ...]
    known: dict[str, int]
    delimiter: str
    encoding: str
    bad_rows: int
    _reader: BatchReader
    _blocks: Iterator[Block]

    def batches(self) -> Iterator[list[pa.Array]]:
        """Read the good rows, once: one array of trimmed texts per column, empty ones null."""
        try:
            for batch in self._reader.read(self._blocks):
                cells = batch.cells[: len(self.header)]
                if batch.problems is not None:
                    self.bad_rows += sum(problem is not None for problem in batch.problems)
                    good = pa.array([problem is None for problem in batch.problems])
                    cells = [column.filter(good) for column in cells]
                yield cells
        except DropRejected as error:
            raise ConfigError(f"The file cannot be read: {error.message}") from None


def open_csv(path: Path, name: str, contract: Contract, max_line_bytes: int) -> CsvFile:
    """Find out how a file is written; any header will do.

    Raises:
        ConfigError: the file is empty, is no text or has no header.
    """
    try:
        text = inspect_text(path, name, max_line_bytes)
        blocks = split_blocks(text.chunks(min(_CHUNK, max_line_bytes)), max_line_bytes)
        opening, after = _read_opening(blocks)
        lines = split_lines(opening)
        layout = _find_layout(lines, contract, text.looks_binary)
    except DropRejected as error:
        raise ConfigError(f"{name}: {error.message}") from None
    header = _header(lines, layout)
    rest = Block("".join(lines[layout.header_lines :]))
    return CsvFile(
        header=tuple(cell or f"column_{at + 1}" for at, cell in enumerate(header)),
        known=_known(header, contract),
        delimiter=layout.delimiter,
        encoding=text.encoding,
        bad_rows=0,
        _reader=BatchReader(layout, max_line_bytes),
        _blocks=chain([rest], after, blocks),
    )


def _read_opening(blocks: Iterator[Block]) -> tuple[str, list[Block]]:
    text = ""
    for block in blocks:
        if block.too_long:
            return text, [block]
        text += block.text
        if len(text) >= _OPENING:
            break
    return text, []


def _find_layout(lines: list[str], contract: Contract, looks_binary: bool) -> Layout:
    """Ask for the contract's columns first, then take the header as it is."""
    try:
        return find_layout(lines, contract, looks_binary=looks_binary)
    except DropRejected as error:
        if error.code in _HOPELESS:
            raise
    start, cells, delimiter = _widest_split(lines)
    own = {f"column_{at}": Column(type="text", aliases=(f"own {at}",)) for at in range(len(cells))}
    neutral = Contract(name="the header itself", max_bad_share=1.0, columns=own)
    names = delimiter.join(f"own {at}" for at in range(len(cells)))
    end = parse_record(lines, start, delimiter).end
    layout = find_layout([names, *lines[end:]], neutral, looks_binary=looks_binary)
    return replace(layout, header_lines=end, blank_lines=layout.blank_lines + start)


def _widest_split(lines: list[str]) -> tuple[int, list[str], str]:
    start = next(at for at, line in enumerate(lines) if line.strip(" \t\r\n\ufeff"))
    best: tuple[list[str], str] = ([lines[start].strip()], DELIMITERS[0])
    for delimiter in DELIMITERS:
        fields = parse_record(lines, start, delimiter).fields
        if fields is not None and len(fields) > len(best[0]):
            best = fields, delimiter
    return start, *best


def _header(lines: list[str], layout: Layout) -> list[str]:
    """Read the header again, in the file's own words."""
    for start in range(layout.header_lines):
        fields, end, _ = parse_record(lines, start, layout.delimiter)
        whole = fields is not None and len(fields) == len(layout.columns)
        if fields is not None and whole and end == layout.header_lines:
            return [cell.strip() for cell in fields][: layout.width]
    return list(layout.columns)


def _known(header: list[str], contract: Contract) -> dict[str, int]:
    known: dict[str, int] = {}
    for at, cell in enumerate(header):
        name = contract.headers.get(normalise_header(cell))
        if name is not None:
            known.setdefault(name, at)
    return known
