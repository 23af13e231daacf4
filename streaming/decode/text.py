"""From stored bytes to text: which encoding a drop has, and its text in chunks."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lake.errors import DropRejected
from streaming.decode.room import Room
from streaming.decode.stored import GZIP_MAGIC, is_gzip, stored_chunks

_HEAD = 1 << 16
_CHUNK = 1 << 20

# What suppliers really send by mistake, and what to do about it.
_SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as CSV",
    b"%PDF": "a PDF document; export the data as CSV",
    b"PAR1": "a Parquet file; export it as CSV",
    b"ORC": "an ORC file; export it as CSV",
    b"Obj\x01": "an Avro file; export it as CSV",
    b"SQLite format 3": "a database; export the table as CSV",
    b"\x89PNG": "a picture; export the data as CSV",
    b"7z\xbc\xaf": "a 7z archive; pack it with gzip instead",
    b"BZh": "a bzip2 file; pack it with gzip instead",
    b"\xfd7zXZ": "an xz file; pack it with gzip instead",
    b"\x28\xb5\x2f\xfd": "a zstd file; pack it with gzip instead",
    GZIP_MAGIC: "packed with gzip twice; pack it once",
}
_UTF16_BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# Bytes as Windows-1254 reads them: the letters that Turkish needs, the other letters, and the
# marks that prove nothing. Whatever else is above 127 speaks against that encoding.
_TURKISH = "çÇğĞıİöÖşŞüÜâÂîÎûÛ".encode("cp1254")
_LETTERS = bytes(b for b in range(0xC0, 0xFF) if b not in b"\xd7\xf7" and b not in _TURKISH)
_MARKS = "€…‘’“”•–—™ °«»©®\xa0".encode("cp1254")
_ASCII = bytes(range(128))
_NOT_LEADING = bytes(range(0xC0))

_UNDECODED = re.compile("[\ud800-\udfff]")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r\x1a")) + b"\x7f"


def _mark(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only decoders call it
    return "\udcff", error.end


codecs.register_error("flo.mark", _mark)


@dataclass(frozen=True)
class TextFile:
    """A spooled drop whose encoding is known.

    Attributes:
        encoding: its name for the ledger.
        bom: length of the byte order mark to skip.
        looks_binary: whether the beginning has more control characters than a text would.
        notes: what is worth telling about it.
    """

    path: Path
    gzipped: bool
    encoding: str
    bom: int
    looks_binary: bool
    notes: tuple[str, ...]

    def chunks(self, size: int) -> Iterator[str]:
        """Yield the text in chunks of at most `size` characters, line ends untouched.

        What cannot be decoded comes as a lone surrogate, which no valid text contains.
        """
        errors = "flo.mark" if self.encoding.startswith("utf-16") else "surrogateescape"
        decoder = codecs.getincrementaldecoder(self.encoding)(errors)
        skip = self.bom
        for chunk in stored_chunks(self.path, gzipped=self.gzipped, size=size):
            dropped = min(skip, len(chunk))
            skip -= dropped
            yield decoder.decode(chunk[dropped:])
        yield decoder.decode(b"", final=True)


def inspect_text(path: Path, name: str, max_line_bytes: int, room: Room | None = None) -> TextFile:
    """Read a spooled drop once, to the end: is it whole, is it text, and in which encoding?

    Args:
        room: what its text must fit into, where it is to be decoded.

    Raises:
        DropRejected: ``empty_file``, ``binary_content``, ``undecodable_text``,
            ``truncated_gzip``, ``damaged_gzip``, ``line_too_long`` or ``too_large``.
        OSError: the disk is full.
    """
    gzipped = is_gzip(path)
    notes = _note_name(name, gzipped)
    head = _read_head(path, gzipped)
    _refuse_other_formats(head)
    encoding, bom = _encoding_by_head(head)
    if bom:
        notes.append("byte order mark skipped")
    evidence = _scan(path, gzipped, encoding, max_line_bytes, room)
    if encoding is None:
        encoding = evidence.encoding()
        if encoding == "windows-1254":
            notes.append("not valid UTF-8, read as Windows-1254 (Turkish)")
    controls = len(head) - len(head.translate(None, _CONTROLS))
    binary = not encoding.startswith("utf-16") and controls * 100 > len(head)
    return TextFile(path, gzipped, encoding, bom, binary, tuple(notes))


def _note_name(name: str, gzipped: bool) -> list[str]:
    named_gzip = name.lower().endswith((".gz", ".gzip"))
    if gzipped and not named_gzip:
        return ["the file is gzip although its name does not end in .gz"]
    if named_gzip and not gzipped:
        return ["the file is no gzip although its name ends in .gz; read as plain text"]
    return []


def _read_head(path: Path, gzipped: bool) -> bytes:
    head = bytearray()
    for chunk in stored_chunks(path, gzipped=gzipped, size=_HEAD):
        head += chunk
        if len(head) >= _HEAD:
            break
    if not head:
        raise DropRejected("empty_file", "The file is empty; send it again with its data.")
    return bytes(head[:_HEAD])


def _refuse_other_formats(head: bytes) -> None:
    for signature, what in _SIGNATURES.items():
        if head.startswith(signature):
            raise DropRejected("binary_content", f"The file is no CSV text but {what}.")
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DropRejected("undecodable_text", "The file is UTF-32 text; save it as UTF-8.")


def _encoding_by_head(head: bytes) -> tuple[str | None, int]:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8", len(codecs.BOM_UTF8)
    if head[:2] in _UTF16_BOMS:
        return _UTF16_BOMS[head[:2]], 2
    # Latin text in UTF-16 has a zero in every other byte, and always in the same one.
    sample = head[:2048]
    half = max(len(sample) // 2, 1)
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.05:
        return "utf-16-le", 0
    if even > 0.4 and odd < 0.05:
        return "utf-16-be", 0
    return None, 0


@dataclass
class _Evidence:
    """Counts that tell UTF-8 with a few bad bytes from Windows-1254."""

    characters: int = 0
    errors: int = 0
    turkish: int = 0
    letters: int = 0
    foreign: int = 0

    def add(self, chunk: bytes, text: str) -> None:
        """Count one chunk and what UTF-8 makes of it."""
        if text.isascii():
            return
        self.characters += len(chunk.translate(None, _NOT_LEADING))
        try:
            text.encode()
        except UnicodeEncodeError:
            self.errors += len(_UNDECODED.findall(text))
            high = chunk.translate(None, _ASCII)
            self.turkish += len(high) - len(high.translate(None, _TURKISH))
            self.letters += len(high) - len(high.translate(None, _LETTERS))
            self.foreign += len(high.translate(None, _TURKISH + _LETTERS + _MARKS))

    def encoding(self) -> str:
        """Decide: rows that neither explains are better in quarantine than misread."""
        valid = self.characters - self.errors
        if self.errors == 0 or valid * 20 >= self.errors:
            return "utf-8"  # other encodings hardly ever form valid characters by chance
        turkish = self.turkish >= self.letters
        known = self.turkish + self.letters > 4 * self.foreign
        return "windows-1254" if turkish and known else "utf-8"


def _scan(
    path: Path, gzipped: bool, encoding: str | None, max_line_bytes: int, room: Room | None
) -> _Evidence:
    evidence = _Evidence()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    before_line_end = 0
    wide = 2 if encoding and encoding.startswith("utf-16") else 1
    one_line, zeros, size = True, False, 0
    for chunk in stored_chunks(path, gzipped=gzipped, size=_CHUNK):
        size += len(chunk)
        if room is not None:
            room.require(size)
        if one_line:
            one_line = b"\n" not in chunk and b"\r" not in chunk
            before_line_end += len(chunk)
            zeros = zeros or (wide == 1 and b"\0" in chunk)
            if one_line and before_line_end > max_line_bytes * wide:
                raise binary_content() if zeros else line_too_long(max_line_bytes)
        elif not gzipped and encoding is not None:
            break  # nothing is left to find out
        if encoding is None:
            whole = decoder.getstate()[0] + chunk
            text = decoder.decode(chunk)
            evidence.add(whole.removesuffix(decoder.getstate()[0]), text)
    # A letter of another encoding at the very end looks like half a character until now.
    evidence.add(decoder.getstate()[0], decoder.decode(b"", final=True))
    return evidence


def binary_content() -> DropRejected:
    """Say that a drop is no text."""
    return DropRejected(
        "binary_content", "The file is binary data, no text; export the data as CSV text."
    )


def line_too_long(limit: int) -> DropRejected:
    """Say that a drop has no line structure to begin with."""
    return DropRejected(
        "line_too_long",
        f"One of the first two lines has more than {limit:,} characters; "
        "write one customer per line, with a line end after each.",
    )
