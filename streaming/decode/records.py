"""From text to records: blocks of whole lines, and the fields of each record.

Quoting is that of RFC 4180, with blanks allowed around a quoted field; a quote inside an unquoted
field is a character like any other. Lines end in LF, CRLF or CR. A quote that is opened and never
properly closed spoils its own line only: reading goes on with the next.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_RECORD_LINES = 1_000
RAW_LIMIT = 1 << 16
# Outer white space of a cell; the no-break space comes from spreadsheets and web pages.
WHITE = " \t\n\r\v\f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # noqa: E501

_LINE = re.compile("[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LINE_END = re.compile("\r\n|\r|\n")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")


class Block(NamedTuple):
    """Some whole lines with their ends, or the beginning of one line that is too long."""

    text: str
    too_long: bool = False


class Record(NamedTuple):
    """One record: its text without the final line end, and its fields or what is wrong."""

    raw: str
    fields: Sequence[str] | None
    problem: str | None = None


def split_blocks(chunks: Iterable[str], limit: int) -> Iterator[Block]:
    """Cut text into blocks of whole lines.

    No chunk may be longer than `limit`; then only the first line of a block can be too long.
    """
    carry, skipping = "", False
    for chunk in chunks:
        text = carry + chunk
        if skipping:
            carry, skipping = _skip_line(text)
            if skipping:
                continue
            text, carry = carry, ""
        # A CR that ends the text may be half of a CRLF.
        cut = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
        body, carry = text[:cut], text[cut:]
        yield from _split_long_line(body, limit)
        if len(carry) > limit:
            yield Block(carry[:RAW_LIMIT], too_long=True)
            carry, skipping = carry[-1:] if carry.endswith("\r") else "", True
    carry = carry.removesuffix("\x1a")  # the end-of-file mark of old programs
    if carry and not skipping:
        yield Block(carry)


def _skip_line(text: str) -> tuple[str, bool]:
    """Drop the rest of a line; return what follows and whether the line still goes on."""
    end = _LINE_END.search(text)
    if end is None:
        return "", True
    if end.group() == "\r" and end.end() == len(text):
        return "\r", True
    return text[end.end() :], False


def _split_long_line(body: str, limit: int) -> Iterator[Block]:
    if len(body) > limit:
        end = _LINE_END.search(body)
        if end is not None and end.start() > limit:
            yield Block(body[: min(RAW_LIMIT, end.start())], too_long=True)
            body = body[end.end() :]
    if body:
        yield Block(body)


def split_lines(text: str) -> list[str]:
    """Split at LF, CRLF and CR only, and keep the ends."""
    if "\r" not in text:
        lines = text.split("\n")
        last = lines.pop()
        return [line + "\n" for line in lines] + ([last] if last else [])
    return _LINE.findall(text)


def is_readable(text: str) -> bool:
    """Tell whether all of a text was decoded and none of it is a NUL."""
    if "\0" in text:
        return False
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """Put the replacement character where there is no character."""
    return _UNREADABLE.sub("\ufffd", text)


def is_blank(fields: Iterable[str]) -> bool:
    """Tell whether no field holds anything: Excel leaves lines of nothing but delimiters."""
    return not any(each.strip(WHITE) for each in fields)


class Parsed(NamedTuple):
    """What begins at a line: its fields and the line after it, or neither.

    Attributes:
        fields: None where a quote is not closed as it should be.
        end: index of the line after the record.
        open: whether the lines ended within quotes, so that more lines could close them.
    """

    fields: list[str] | None
    end: int
    open: bool = False


def parse_record(lines: Sequence[str], start: int, delimiter: str) -> Parsed:
    """Parse the record that begins at a line, field by field: the reference."""
    fields: list[str] = []
    index, line, at = start, lines[start], 0
    while True:
        first = _skip_blanks(line, at)
        if not line.startswith('"', first):
            end = line.find(delimiter, at)
            if end < 0:
                fields.append(line[at:].rstrip("\r\n"))
                return Parsed(fields, index + 1)
            fields.append(line[at:end])
            at = end + 1
            continue
        closed = _quoted_field(lines, index, first + 1, start + MAX_RECORD_LINES)
        if closed is None:
            return Parsed(None, len(lines), open=len(lines) < start + MAX_RECORD_LINES)
        value, index, at = closed
        fields.append(value)
        line = lines[index]
        at = _skip_blanks(line, at)
        if at == len(line) or line[at] in "\r\n":
            return Parsed(fields, index + 1)
        if line[at] != delimiter:
            return Parsed(None, index + 1)
        at += 1


def _quoted_field(
    lines: Sequence[str], index: int, at: int, last: int
) -> tuple[str, int, int] | None:
    """Read on from an opening quote; return the value, and line and place after the closing one.

    None where no line before `last` closes it.
    """
    parts: list[str] = []
    while True:
        line = lines[index]
        quote = line.find('"', at)
        if quote < 0:
            parts.append(line[at:])
            index, at = index + 1, 0
            if index >= min(last, len(lines)):
                return None
            continue
        parts.append(line[at:quote])
        at = quote + 1
        if not line.startswith('"', at):
            return "".join(parts), index, at
        parts.append('"')
        at += 1


def _skip_blanks(line: str, at: int) -> int:
    while line.startswith(" ", at):
        at += 1
    return at


@dataclass
class RecordReader:
    """Reads the records of successive lines.

    Attributes:
        width: number of fields that a record must have.
        limit: length at which a quoted record is given up.
        careful: parse everything with the reference (for tests); it is many times slower.
        blank_lines: how many blank lines were skipped.
        spanning: how many records go over several lines.
    """

    delimiter: str
    width: int
    limit: int
    careful: bool = False
    blank_lines: int = field(default=0, init=False)
    spanning: int = field(default=0, init=False)

    def read(self, text: str, *, final: bool) -> tuple[list[Record], str]:
        """Read the records of some whole lines.

        Returns:
            The records, and the text of the last one where its quotes are still open and later
            lines may close them (never if `final`).
        """
        lines = split_lines(text)
        records: list[Record] = []
        at = 0
        while at < len(lines):
            if not self.careful:
                at = self._read_plainly(lines, at, records)
            if at < len(lines):
                after = self._read_carefully(lines, at, records, final)
                if after == at:
                    break
                at = after
        if not is_readable(text):
            records = [_checked(record) for record in records]
        return records, "".join(lines[at:])

    def _read_plainly(self, lines: list[str], start: int, records: list[Record]) -> int:
        """Let the csv module read one-line records, up to the first line that it cannot."""
        remaining = map(lines.__getitem__, range(start, len(lines)))
        reader = csv.reader(remaining, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        at = start
        try:
            for fields in reader:
                if start + reader.line_num != at + 1:
                    break
                self._append(lines[at], fields, records)
                at += 1
        except csv.Error:
            pass
        return at

    def _append(self, text: str, fields: list[str], records: list[Record]) -> None:
        if is_blank(fields):
            self.blank_lines += 1
        elif len(fields) == self.width:
            records.append(Record(text.rstrip("\r\n"), fields))
        else:
            records.append(Record(text.rstrip("\r\n"), None, "wrong_field_count"))

    def _read_carefully(
        self, lines: list[str], start: int, records: list[Record], final: bool
    ) -> int:
        """Read one record that may span lines; return the next line, or `start` to wait."""
        parsed = parse_record(lines, start, self.delimiter)
        text = "".join(lines[start : parsed.end])
        fits = parsed.end == start + 1 or len(text) <= self.limit
        if parsed.open and fits and not final:
            return start
        if parsed.fields is None or not fits or self._swallows_rows(lines, start, parsed):
            records.append(Record(lines[start].rstrip("\r\n"), None, "unclosed_quote"))
            return start + 1
        self._append(text, parsed.fields, records)
        self.spanning += parsed.end > start + 1
        return parsed.end

    def _swallows_rows(self, lines: list[str], start: int, parsed: Parsed) -> bool:
        """Tell whether a record over several lines contains lines that are rows by themselves.

        Then its first quote was never meant to reach so far. The last line counts only where the
        record is useless anyway: the end of a cell, a comma in it, may look like a whole row.
        """
        useful = parsed.fields is not None and len(parsed.fields) == self.width
        within = lines[start + 1 : parsed.end - 1 if useful else parsed.end]
        return any(
            len(parse_record([line], 0, self.delimiter).fields or ()) == self.width
            for line in within
        )


def _checked(record: Record) -> Record:
    if is_readable(record.raw):
        return record
    return Record(readable(record.raw), None, "undecodable_text")
