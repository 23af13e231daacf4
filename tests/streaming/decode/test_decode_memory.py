"""The decoder's memory does not depend on the drop: each nasty input under a limit of its own."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.streaming.decode.test_decode_nasty_inputs import COLUMNS, H, R

ROOT = Path(__file__).parents[3]
LIMIT = 1_500_000_000
"""Bytes of address space, of which the libraries take a half."""


@dataclass(frozen=True)
class Nasty:
    """An input that is small where it is stored, and what becomes of it."""

    id: str
    write: Callable[[], Iterator[bytes]]
    rows: int = 0
    code: str = ""


def repeated(head: str, part: str, times: int) -> Callable[[], Iterator[bytes]]:
    """Write a head, and a part many times, a megabyte at once."""

    def write() -> Iterator[bytes]:
        yield head.encode()
        at_once = max(1, (1 << 20) // len(part))
        block = (part * at_once).encode()
        for _ in range(times // at_once):
            yield block
        yield (part * (times % at_once)).encode()

    return write


def wide(count: int, length: int) -> str:
    """Name so many columns that the contract does not know, each in so many letters."""
    return "".join(f",{f'n{at}':x<{length}}" for at in range(count))


LONG_ROW = R.replace("Mobile", "Mobile" + "y" * 20_000)
QUOTED = R.replace("Mobile", f'"{"y" * 20_000} ""quoted"""')
NASTY = [
    Nasty("long rows", repeated(H, LONG_ROW, 30_000), rows=30_000),
    Nasty("long rows that are quoted", repeated(H, QUOTED, 1_000), rows=1_000),
    Nasty("rows of a megabyte", repeated(H, R.replace("Mobile", "y" * 10**6), 100), rows=100),
    Nasty("a name of a megabyte", repeated(f"{COLUMNS},{'n' * 10**6}\n", R[:-1] + ",x\n", 60_000),
          code="long_header"),
    Nasty("a name of sixteen megabytes",
          repeated(f"{COLUMNS},{'n' * 16_000_000}\n", R[:-1] + ",x\n", 10), code="long_header"),
    Nasty("many columns with long names, all filled",
          repeated(COLUMNS + wide(980, 250) + "\n", R[:-1] + ",x" * 980 + "\n", 1_000),
          rows=1_000),
    Nasty("many columns and rows of one letter",
          repeated(COLUMNS + wide(980, 9) + "\n" + R[:-1] + "," * 980 + "\n", "a\n", 10_000),
          rows=10_001),
    Nasty("many columns and quoted rows of one letter",
          repeated(COLUMNS + wide(980, 9) + "\n" + R[:-1] + "," * 980 + "\n", 'a"\n"\n', 5_000),
          rows=5_002),
    Nasty("eight million columns", repeated(H[:-1] + ",a" * 8_000_000 + "\n", R, 10),
          code="too_many_columns"),
    Nasty("six million unknown columns", repeated("ab," * 5_500_000 + "\n", R, 10),
          code="too_many_columns"),
    Nasty("one quoted cell", repeated(H + R + '"', "y" * 60 + "\n", 100_000), rows=100_001),
    Nasty("one quoted cell without a line end", repeated(H + R + '"', "y" * 100, 1_000_000),
          rows=2),
    Nasty("a row of millions of fields", repeated(H + R, "ab," * 5_500_000 + "\n", 2), rows=3),
    Nasty("a row of millions of quoted fields", repeated(H + R, '"b",' * 4_000_000 + "\n", 1),
          rows=2),
    Nasty("letters of four bytes", repeated(H, R.replace("Mobile", "\U0001f45f" * 5_000), 3_000),
          rows=3_000),
    Nasty("quotes and line ends alone", repeated(H + R, '"\n', 300_000), rows=1),
    Nasty("blank lines alone", repeated(H + R, "\n", 5_000_000), rows=1),
    Nasty("distinct dates in every format", lambda: iter([H.encode(), "".join(
        R.replace("2020-09-15", f"{at % 28 + 1}.{at % 12 + 1}.{at % 8000 + 1000}")
        for at in range(20_000)).encode()]), rows=20_000),
]  # fmt: skip


def store(spool: Path, parts: Iterator[bytes]) -> None:
    """Compress as one gzip member; what comes again and again is compressed only once."""
    crc = size = 0
    last = packed = b""
    with spool.open("wb") as file:
        file.write(b"\x1f\x8b\x08" + bytes(7))
        for part in parts:
            if part is not last:
                packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
                # A full flush: what follows does not look back, so that it can follow anything.
                last, packed = part, packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)
            file.write(packed)
            crc, size = zlib.crc32(part, crc), size + len(part)
        file.write(zlib.compressobj(wbits=-zlib.MAX_WBITS).flush())
        file.write(struct.pack("<LL", crc, size % (1 << 32)))


class Decoder:
    """A process that decodes under the limit; what it said of its troubles is in a file."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.streaming.decode.decoder_under_limit"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, cwd=ROOT, text=True,
            )  # fmt: skip

    def decode(self, spool: Path) -> dict[str, Any]:
        """Decode a drop and return what was told of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps([LIMIT, str(spool), f"{spool}.parquet"])
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert '"told"' in answer, answer + self._errors.read_text("utf-8")[-2000:]
        return cast("dict[str, Any]", json.loads(answer))

    def close(self) -> None:
        """End the process, which has no more lines to read."""
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decoder]:
    """Start the process once."""
    decoder = Decoder(tmp_path_factory.mktemp("decoder") / "errors")
    yield decoder
    decoder.close()


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.id)
def test_a_nasty_drop_is_decoded_in_bounded_memory(
    decoder: Decoder, nasty: Nasty, tmp_path: Path
) -> None:
    """Under 1.5 GB of address space each is read or refused; what is told of it is short."""
    spool = tmp_path / "drop.csv.gz"
    store(spool, nasty.write())
    told = decoder.decode(spool)
    assert (told.get("rows", 0), told.get("code", "")) == (nasty.rows, nasty.code)
    assert told["told"] < 200_000
