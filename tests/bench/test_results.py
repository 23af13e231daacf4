"""What the benchmark writes down: results, the table, and the order of measures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.digest import Digest
from bench.errors import WrongResultError
from bench.measures.rounds import require
from bench.measures.settings import FULL, MILLION
from bench.results import Result, compare, load, merge, save
from bench.table import MARKS, write_report

ONE = Result("P1", "a ÷ b", 8_000_000, 2.0, 8.0, 0.25, 0.25, 5)


def test_medians_are_compared_and_every_time_is_kept() -> None:
    """One slow repetition changes nothing, and is still told."""
    result = compare("P1", "a ÷ b", 10, [1.0, 2.0, 99.0], [4.0, 4.0, 5.0], 0.6)
    assert (result.ours, result.theirs, result.ratio, result.repetitions) == (2.0, 4.0, 0.5, 3)
    assert result.holds
    assert result.notes["ours_all"] == [1.0, 2.0, 99.0]


def test_the_file_is_a_list_with_a_ratio_in_each_object(tmp_path: Path) -> None:
    """Whoever reads the results finds the promised fields, in the order of the measures."""
    idle = replace(ONE, id="P12", theirs=None, ratio=0.02, limit=None)
    save(tmp_path / "results.json", [idle, replace(ONE, id="P2"), ONE])
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["id"] for row in rows] == ["P1", "P2", "P12"]
    for row in rows:
        assert {"id", "ours", "theirs", "ratio", "limit", "repetitions"} <= set(row)
        assert isinstance(row["ratio"], float)
    assert load(tmp_path / "results.json")[2] == idle


def test_a_measure_made_again_takes_the_place_of_the_earlier_one() -> None:
    """Single measures can be repeated; the others' results stay."""
    again, other = replace(ONE, ratio=0.1), replace(ONE, id="P2")
    assert merge([ONE, other], [again]) == [other, again]


def test_the_table_says_what_is_missed_and_leaves_the_page_alone(tmp_path: Path) -> None:
    """A miss is marked, a measure without a limit is not, and text around the marks stays."""
    missed = replace(ONE, id="P2", ratio=1.5, limit=1.0)
    free = replace(ONE, id="P5", unit="bytes", theirs=None, ratio=7.0, limit=None)
    page = tmp_path / "performance.md"
    (begin, end), (other_begin, other_end) = MARKS[FULL], MARKS[MILLION]
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n{other_begin}\nkept\n{other_end}\n")
    write_report(page, [free, missed, ONE], FULL, whole=True)
    text = page.read_text()
    assert [("missed" in line) for line in _rows(page)] == [False, True, False]
    assert text.startswith(f"before\n{begin}\n")
    assert text.endswith(f"{end}\nafter\n{other_begin}\nkept\n{other_end}\n")
    assert "old" not in text


def test_a_single_measure_takes_the_place_of_its_row_alone(tmp_path: Path) -> None:
    """Its row is the new one; the others, and what the page says of the whole run, stay."""
    page = tmp_path / "performance.md"
    begin, end = MARKS[FULL]
    page.write_text(f"{begin}\n{end}\n")
    smaller = replace(ONE, id="P10", what="c ÷ d")
    write_report(
        page,
        [smaller, ONE, replace(ONE, id="P4"), replace(ONE, id="P4", what="smaller")],
        FULL,
        whole=True,
    )
    page.write_text(page.read_text().replace("Measured on", "Measured once on"))
    before = _rows(page)
    write_report(page, [replace(ONE, what="in other words", ratio=0.125)], FULL, whole=False)
    assert _rows(page)[1:] == before[1:]
    assert "| 0.125 |" in _rows(page)[0]
    assert "Measured once on" in page.read_text()


def test_a_smaller_run_tells_nothing_of_a_larger_one(tmp_path: Path) -> None:
    """Results that a full run has left are not in the table of a run at a million."""
    begin, end = MARKS[MILLION]
    page = tmp_path / "performance.md"
    page.write_text(f"{begin}\n{end}\n")
    write_report(page, [ONE, replace(ONE, id="P4", size=MILLION)], MILLION, whole=False)
    assert "| P4 |" in page.read_text()
    assert "| P1 |" not in page.read_text()


def _rows(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith("| P")]


def test_a_wrong_table_stops_the_benchmark() -> None:
    """A time whose result is not the oracle's is never kept."""
    right = {"rows": "2", "orders": "3", "cents": "500", "hashes": "77"}
    require("stock", right, Digest(2, 3, 500, 77), "drop 1")
    with pytest.raises(WrongResultError, match="stock holds"):
        require("stock", {**right, "hashes": "78"}, Digest(2, 3, 500, 77), "drop 1")


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name ends the run before anything is made."""
    with pytest.raises(SystemExit):
        main(["--only", "P4,P99"])
    assert "P99 is none of P1 to P13" in capsys.readouterr().err
