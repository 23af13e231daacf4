"""What docs/scaling.md says in numbers, written between its marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.results import Result
from bench.scaling.measure import Point
from bench.scaling.model import BUSY, EXECUTOR_CORES, Model, need
from bench.table import put_between

BEGIN = "<!-- scaling: begin (written by `make scaling`) -->"
END = "<!-- scaling: end -->"
_WAIT = 60
_LOADS = (
    (8_000_000, 10_000, 24),
    (8_000_000, 10_000, 1_000),
    (100_000_000, 10_000, 1_000),
    (1_000_000_000, 10_000, 10_000),
)


def write_page(
    page: Path,
    drops: Sequence[Point],
    files: Sequence[Point],
    listing: Mapping[int, float],
    stored: Mapping[int, int],
    model: Model,
    earlier: Sequence[Result],
) -> None:
    """Put the figures between the marks and leave the rest of the page as it is.

    Args:
        page: the Markdown file.
        drops: measured batches of one drop.
        files: measured batches of several files.
        listing: seconds of one listing, by files in landing.
        stored: bytes of all tables after the full drop, by customers.
        model: fitted to ``drops`` and ``files``.
        earlier: results of ``make bench``, of which P8 and P9 say what earlier drops cost.

    Raises:
        ValueError: the page lacks the marks.
    """
    parts = (
        _measured(drops, files), _fitted(model), _landing(listing), _history(earlier),
        _carries(model, stored), _cluster(model),
    )  # fmt: skip
    put_between(page, BEGIN, END, "\n\n".join(part for part in parts if part))


def _measured(drops: Sequence[Point], files: Sequence[Point]) -> str:
    lines = ["## Measured", "", "| customers | drops in the batch | rows | seconds | written |",
             "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {p.customers:,} | {p.files} | {p.rows:,} | {p.seconds:.2f} "
        f"| {p.written / 1e6:,.2f} MB |"
        for p in (*drops, *files)
    ]
    pictures = [
        f"![Seconds of a batch by {what}](images/scaling-{name}.svg)"
        for name, what in (
            ("customers", "customers in the table"), ("rows", "rows of a drop"),
            ("files", "files of a batch"),
        )
    ]  # fmt: skip
    return "\n".join([*lines, "", *pictures])


def _fitted(model: Model) -> str:
    return (
        "## Fitted\n\n"
        f"seconds of a batch = {model.fixed:.2f}"
        f" + {model.per_row * 1e4:.2f} for each 10,000 rows"
        f" + {model.per_customer * 1e6:.2f} for each million customers"
        f" + {model.per_file:.3f} for each file beyond the first.\n\n"
        f"The line is off by {model.off_by_median:.0%} in the median, "
        f"by {model.off_by:.0%} at most."
    )


def _landing(listing: Mapping[int, float]) -> str:
    lines = ["## Files in landing", "", "| files | seconds of one listing |", "|---|---|"]
    return "\n".join([*lines, *(f"| {n:,} | {seconds:.3f} |" for n, seconds in listing.items())])


def _history(earlier: Sequence[Result]) -> str:
    found = [
        f"- {each.what}: {each.ours:.2f} s ÷ {each.theirs:.2f} s = {each.ratio:.2f}."
        for each in earlier
        if each.id in ("P8", "P9") and each.theirs is not None
    ]
    return "\n".join(["## Drops so far", "", *found]) if found else ""


def _carries(model: Model, stored: Mapping[int, int]) -> str:
    lines = ["## What one machine of two cores carries", "",
             "| customers | rows of a drop | seconds | drops a day | in batches of 20 |",
             "|---|---|---|---|---|"]  # fmt: skip
    for customers in (20_000, 1_000_000, 8_000_000):
        for rows in (100, 10_000):
            lines.append(
                f"| {customers:,} | {rows:,} | {model.seconds(customers, rows):.1f} "
                f"| {model.drops_a_day(customers, rows):,.0f} "
                f"| {model.drops_a_day(customers, rows, 20):,.0f} |"
            )
    size = max(stored)
    lines += ["", f"Tables take {stored[size] / size:,.0f} bytes a customer, right after the load."]
    return "\n".join(lines)


def _cluster(model: Model) -> str:
    most = model.customers_within(_WAIT, 10_000)
    where = "at no number of customers" if math.isinf(most) else f"at {most / 1e6:,.0f} million"
    lines = ["## Where to move to YARN", "",
             f"A drop of 10,000 rows takes a minute on two cores {where} customers. What a day's "
             f"drops need, if they are to be done in {BUSY:.0%} of it, with executors of "
             f"{EXECUTOR_CORES} cores (all parts that grow shared evenly, which was not measured):",
             "", "| customers | rows of a drop | drops a day | drops in a batch "
             "| seconds of a batch | executors |", "|---|---|---|---|---|---|"]  # fmt: skip
    for customers, rows, drops in _LOADS:
        found = need(model, customers, rows, drops)
        executors = "more than can be told" if found.executors is None else str(found.executors)
        if found.executors == 1 and model.drops_a_day(customers, rows) * BUSY >= drops:
            executors = "none: two cores do"
        lines.append(
            f"| {customers:,} | {rows:,} | {drops:,} | {found.files} | {found.seconds:,.1f} "
            f"| {executors} |"
        )
    return "\n".join(lines)
