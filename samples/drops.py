"""A first full drop of any size and change drops against it, with no state in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samples.changes import Changes, change_files, check_population
from samples.clock import drop_time
from samples.draw import draw_full
from samples.noise import Ints
from samples.rows import Rows
from samples.write import check_sizes, layout_names, slices, write_file


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Customers that are drawn anew whenever they are asked for."""

    size: int
    seed: int

    def rows(self, index: Ints) -> Rows:
        """Return what the full drop says about these customers (0 .. size - 1)."""
        return draw_full(self.seed, index)


def write_drops(
    out: Path, *, customers: int, drops: int, rows: int, seed: int, layout: str = "V7"
) -> list[Path]:
    """Write a full drop of `customers` rows and `drops - 1` change drops of `rows` rows.

    The files are `flo_0001_full.csv`, `flo_0002_changes.csv`, … in `out`; each one's
    modification time is an hour after the one before. The same arguments give the same
    bytes everywhere. `layout` is V1, V2, V7 or `mixed` (V7, V2, V1 in turn: dates without
    a time of day then make a repeated row older than the row it repeats). What change
    drops hold is said at `write_changes_for`. Raise ValueError for sizes below 1 or an
    unknown layout, OSError where `out` cannot be written.
    """
    check_sizes([("customers", customers), ("drops", drops)])
    if drops > 1:
        check_sizes([("rows", rows)])
    check_population(customers, drops, rows)
    layouts = layout_names(layout, drops)
    width = max(4, len(str(drops)))
    people = _Drawn(customers, seed)
    parts = (people.rows(np.arange(*bounds, dtype=np.int64)) for bounds in slices(customers))
    full = write_file(out / f"flo_{1:0{width}d}_full.csv", parts, layouts[0], drop_time(1))
    changes = Changes(people, rows, seed)
    return [full, *change_files(changes, out, "flo", layouts[1:])]
