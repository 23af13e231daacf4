"""A batch's time as a sum of a fixed part and of parts that grow, fitted to what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.scaling.measure import Point

DAY = 86_400
CORES = 2
"""Of the machine that was measured; Spark's local mode uses all of them."""
EXECUTOR_CORES = 4
# A day's work should not need the whole day: what is late catches up in the rest.
BUSY = 0.5


@dataclass(frozen=True)
class Model:
    """Seconds of a batch: ``fixed + rows·per_row + customers·per_customer + (files-1)·per_file``.

    Attributes:
        fixed: plans, commits and files that each batch has; the driver's part.
        per_row: of a drop.
        per_customer: in the features, whether changed or not.
        per_file: beyond the first one of a batch.
        off_by: largest difference from a measured point, as a share of it.
        off_by_median: the median of these shares.
    """

    fixed: float
    per_row: float
    per_customer: float
    per_file: float
    off_by: float = 0.0
    off_by_median: float = 0.0

    def seconds(
        self, customers: float, rows: float, files: float = 1, cores: float = CORES
    ) -> float:
        """Seconds of a batch; the parts that grow are shared by the cores, the fixed one is not.

        That they are shared evenly is an assumption: it was measured on two cores only.
        """
        grows = self.per_row * rows + self.per_customer * customers + self.per_file * (files - 1)
        return self.fixed + grows * CORES / cores

    def customers_within(self, seconds: float, rows: float) -> float:
        """How many customers let a batch of one drop take so long; infinite if they are free."""
        left = seconds - self.seconds(0, rows)
        return max(0.0, left / self.per_customer) if self.per_customer > 0 else math.inf

    def drops_a_day(self, customers: float, rows: float, files: int = 1) -> float:
        """How many drops two cores take in a day, so many files a batch."""
        return DAY / self.seconds(customers, rows * files, files) * files


@dataclass(frozen=True)
class Need:
    """What a load needs on a cluster.

    Attributes:
        files: drops in a batch, so that batches follow each other no faster than they can.
        seconds: of such a batch, with these executors.
        executors: of `EXECUTOR_CORES` cores each; None where no number of them is enough.
    """

    files: int
    seconds: float
    executors: int | None


def fit(points: Sequence[Point]) -> Model:
    """Fit the parts by least squares of the relative error; none may be negative.

    A part that comes out negative is noise around zero: it is left out, and the others fitted anew.
    """
    columns = {
        "fixed": [1.0] * len(points),
        "per_row": [float(each.rows) for each in points],
        "per_customer": [float(each.customers) for each in points],
        "per_file": [each.files - 1.0 for each in points],
    }
    seconds = np.array([each.seconds for each in points])
    kept = {name: column for name, column in columns.items() if any(column)}
    while True:
        matrix = np.array(list(kept.values())).T / seconds[:, None]
        found, *_ = np.linalg.lstsq(matrix, np.ones(len(points)), rcond=None)
        parts = dict(zip(kept, map(float, found), strict=True))
        worst = min(parts, key=parts.__getitem__)
        if parts[worst] >= 0:
            break
        del kept[worst]
    raw = Model(**{name: parts.get(name, 0.0) for name in columns})
    shares = [abs(_of(raw, each) / each.seconds - 1) for each in points]
    return Model(**parts | {n: 0.0 for n in columns if n not in parts},
                 off_by=max(shares), off_by_median=float(np.median(shares)))  # fmt: skip


def need(model: Model, customers: float, rows: float, drops: float) -> Need:
    """Find the fewest executors that take a day's drops in half of a day.

    Args:
        model: of two cores.
        customers: in the features.
        rows: of each drop.
        drops: a day.
    """
    for files in (1, 2, 5, 10, 20, 50, 100, 200):
        budget = BUSY * DAY / drops * files
        left = budget - model.fixed
        grows = model.seconds(customers, rows * files, files) - model.fixed
        if left > 0 and (cores := grows * CORES / left) <= _MOST_CORES:
            executors = max(1, math.ceil(cores / EXECUTOR_CORES))
            seconds = model.seconds(customers, rows * files, files, executors * EXECUTOR_CORES)
            return Need(files, seconds, executors)
    return Need(200, math.inf, None)


# Beyond that, the assumption that all cores share evenly is not worth a number.
_MOST_CORES = 400


def _of(model: Model, point: Point) -> float:
    return model.seconds(point.customers, point.rows, point.files)
