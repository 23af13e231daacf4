"""The model of how cost grows is fitted and used as docs/scaling.md says it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.scaling.measure import Point
from bench.scaling.model import BUSY, DAY, EXECUTOR_CORES, Model, fit, need
from bench.scaling.page import BEGIN, END, write_page
from bench.scaling.pictures import draw_all

TRUE = Model(fixed=3.0, per_row=2e-4, per_customer=4e-7, per_file=0.05)


def measured(model: Model) -> tuple[list[Point], list[Point]]:
    """Points exactly on a line."""
    drops = [
        Point(customers, rows, 1, model.seconds(customers, rows), 0)
        for customers in (20_000, 200_000, 1_000_000)
        for rows in (100, 1_000, 10_000)
    ]
    files = [Point(20_000, 10 * n, n, model.seconds(20_000, 10 * n, n), 0) for n in (1, 10, 200)]
    return drops, files


def test_a_line_is_found_again() -> None:
    """Points on a line give that line, and a model that is off by nothing."""
    drops, files = measured(TRUE)
    found = fit([*drops, *files])
    for name in ("fixed", "per_row", "per_customer", "per_file"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=1e-6)
    assert found.off_by == pytest.approx(0, abs=1e-9)


def test_no_part_is_negative() -> None:
    """A part that noise makes negative is nothing: a larger table is never told to be quicker."""
    quicker = Model(fixed=3.0, per_row=2e-4, per_customer=-1e-7, per_file=0.05)
    drops, files = measured(quicker)
    found = fit([*drops, *files])
    assert found.per_customer == 0.0
    assert min(found.fixed, found.per_row, found.per_file) >= 0
    assert math.isinf(found.customers_within(60, 10_000))


def test_the_need_keeps_within_the_day() -> None:
    """The executors that are told take the day's drops in the share of a day that is stated."""
    found = need(TRUE, 100_000_000, 10_000, 2_000)
    assert found.executors is not None
    cores = found.executors * EXECUTOR_CORES
    seconds = TRUE.seconds(100_000_000, 10_000 * found.files, found.files, cores)
    assert seconds == pytest.approx(found.seconds)
    assert 2_000 / found.files * seconds <= BUSY * DAY


def test_what_cannot_be_is_said() -> None:
    """Where the fixed part alone takes more than the day, no number of executors is told."""
    slow = Model(fixed=100_000.0, per_row=0, per_customer=0, per_file=0)
    assert need(slow, 1, 1, 1_000).executors is None


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    """The words around the figures stay, and the pictures that it names are there."""
    page = tmp_path / "scaling.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    drops, files = measured(TRUE)
    draw_all(tmp_path / "images", drops, files, TRUE)
    write_page(page, drops, files, {100: 0.01}, {1_000_000: 80_000_000}, TRUE, [])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    for name in ("customers", "rows", "files"):
        assert f"images/scaling-{name}.svg" in text
        assert (tmp_path / "images" / f"scaling-{name}.svg").read_text().startswith("<svg")
