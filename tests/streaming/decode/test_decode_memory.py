"""The decoder's memory does not depend on the drop: each nasty input under a limit of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.streaming.decode.test_decode_nasty_inputs import COLUMNS, H, R

ROOT = Path(__file__).parents[3]
LIMIT = 1_500_000_000
"""Bytes of address space, of which the libraries take a half."""

_DECODE = f"""
import json, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))
from lake.contract import load_contract
from lake.errors import DropRejected
from streaming.decode import decode_drop
spool, staged = Path(sys.argv[1]), Path(sys.argv[2])
contract = load_contract(Path("conf/contracts/flo.toml"))
try:
    found = decode_drop(spool, spool.name, contract, staged, drop_id="id", max_line_bytes=1 << 24)
    told = {{"rows": found.rows, "told": len(str(found.columns) + str(found.notes))}}
except DropRejected as refusal:
    told = {{"code": refusal.code, "told": len(str(refusal))}}
with open("/proc/self/status") as status:
    peaks = dict(line.split(":", 1) for line in status if line.startswith(("VmPeak", "VmHWM")))
print(json.dumps(told | {{name: int(size.split()[0]) // 1024 for name, size in peaks.items()}}))
"""


@dataclass(frozen=True)
class Nasty:
    """An input that is small where it is stored, and what becomes of it."""

    id: str
    write: Callable[[], Iterator[bytes]]
    rows: int = 0
    code: str = ""


def repeated(head: str, part: str, times: int) -> Callable[[], Iterator[bytes]]:
    """Write a head, and a part many times."""

    def write() -> Iterator[bytes]:
        yield head.encode()
        at_once = max(1, (1 << 20) // len(part))
        for start in range(0, times, at_once):
            yield (part * min(at_once, times - start)).encode()

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
    Nasty("quotes and line ends alone", repeated(H + R, '"\n', 300_000), rows=150_001),
    Nasty("blank lines alone", repeated(H + R, "\n", 5_000_000), rows=1),
    Nasty("distinct dates in every format", lambda: iter([H.encode(), *(
        R.replace("2020-09-15", f"{at % 28 + 1}.{at % 12 + 1}.{at % 8000 + 1000}").encode()
        for at in range(20_000))]), rows=20_000),
]  # fmt: skip


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: nasty.id)
def test_a_nasty_drop_is_decoded_in_bounded_memory(nasty: Nasty, tmp_path: Path) -> None:
    """Under 1.5 GB of address space each is read or refused; what is told of it is short."""
    spool = tmp_path / "drop.csv.gz"
    with gzip.open(spool, "wb", compresslevel=1) as file:
        for part in nasty.write():
            file.write(part)
    command = [sys.executable, "-c", _DECODE, str(spool), str(tmp_path / "staged.parquet")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert (told.get("rows", 0), told.get("code", "")) == (nasty.rows, nasty.code)
    assert told["told"] < 200_000
