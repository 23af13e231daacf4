"""Decode drops, each in a fork of this process with a limit of its own on address space.

All that the decoder imports is loaded, and nothing was decoded, before the first fork: a fork has
the address space of a process that has just started. Each line on standard input names a limit, a
drop and the file to stage; the answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from lake.contract import load_contract
from lake.errors import DropRejected
from streaming.decode import Origin, decode_drop

ROOT = Path(__file__).parents[3]
CONTRACT = load_contract(ROOT / "conf" / "contracts" / "flo.toml")
SEEN = datetime(2021, 6, 30, tzinfo=UTC)


def decode(limit: int, spool: Path, staged: Path) -> dict[str, int | str]:
    """Decode a drop under a limit; say what was found, in how many letters, and the peaks in MB."""
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    told: dict[str, int | str]
    try:
        origin = Origin("id", f"/{spool.name}", SEEN, SEEN)
        found = decode_drop(spool, staged, CONTRACT, origin, max_line_bytes=1 << 24)
        told = {"rows": found.rows, "told": len(str(found.columns) + str(found.notes))}
    except DropRejected as refusal:
        told = {"code": refusal.code, "told": len(str(refusal))}
    with Path("/proc/self/status").open() as status:
        peaks = dict(line.split(":", 1) for line in status if line.startswith(("VmPeak", "VmHWM")))
    return told | {name: int(size.split()[0]) // 1024 for name, size in peaks.items()}


def main() -> None:
    """Answer each line: a fork says what it found, or this process that the fork ended badly."""
    while line := sys.stdin.readline():
        if not (fork := os.fork()):
            limit, spool, staged = json.loads(line)
            print(json.dumps(decode(limit, Path(spool), Path(staged))), flush=True)
            os._exit(0)  # nothing is left to be done, and much would be tidied up
        _, status = os.waitpid(fork, 0)
        if status != 0:
            print(json.dumps({"failed": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
