"""The data: files of `flo generate`, made once per size and kept."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.places import DATA, ROOT

SEED = 7


@dataclass(frozen=True)
class Dataset:
    """A full drop and the change drops after it, oldest first.

    Attributes:
        customers: rows of the full drop.
        rows: rows of each change drop: 50 of 100 have later totals, 20 repeat what was said,
            10 are older than what is known, 20 are new customers.
        full: the full drop.
        changes: the change drops.
    """

    customers: int
    rows: int
    full: Path
    changes: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.full.parent


def dataset(customers: int, *, rows: int, changes: int) -> Dataset:
    """Find a data set, or make it: the same sizes give the same bytes everywhere."""
    folder = DATA / f"{customers}-customers-{changes}-drops-of-{rows}"
    done = folder / "done.json"
    if not done.is_file():
        command = [
            str(Path(sys.executable).with_name("flo")), "generate", "--out", str(folder),
            "--customers", str(customers), "--drops", str(changes + 1), "--rows", str(rows),
            "--seed", str(SEED), "--layout", "V7", "--format", "json",
        ]  # fmt: skip
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise BenchError(f"`flo generate` failed: {made.stderr.strip()}")
        done.write_text(json.dumps([Path(row["file"]).name for row in json.loads(made.stdout)]))
    names = json.loads(done.read_text())
    full, *later = (folder / name for name in names)
    return Dataset(customers, rows, full, tuple(later))
