"""The figures of a report are those of the tables, and of no single customer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from batch.kpis_job import compute_kpis
from batch.report import write_report
from batch.reporting.figures import Course, Figures, Moment, Side
from batch.reporting.gather import gather_figures
from batch.segments import compute_segments
from flo import cli
from lake.contract import load_contract
from lake.errors import NotFoundError
from lake.settings import Settings
from tests.lakes import DropLake, csv, row

IDS = [f"5f9e0a3c-{number:04d}-11eb-9c4a-000d3a38a36f" for number in range(9)]
_MS = 1_790_000_000_000


def take(lake: DropLake, name: str, content: str, hour: int) -> None:
    """Take one drop in that was made at some hour."""
    lake.put(name, content, modified_ms=_MS + hour * 3_600_000)
    lake.take(name)


@pytest.fixture(scope="module")
def seen(new_lake: Callable[[], DropLake]) -> DropLake:
    """Take three drops in, with KPIs after the first two: some rows and a file are refused."""
    lake = new_lake()
    both = {"online": "2021-01-01", "orders_online": "2", "value_online": "40.00"}
    take(
        lake,
        "a.csv",
        csv(
            row(IDS[0], channel="Mobile", **both),
            row(IDS[1]),
            row(IDS[2], categories=""),
            row("", channel="Desktop"),
            row(IDS[3], first="2021-02-01"),
        ),
        1,
    )
    compute_kpis(lake.spark, lake.settings)
    take(lake, "b.csv", csv(row(IDS[1], last="2021-03-01", orders_offline="2"), row(IDS[4])), 2)
    compute_kpis(lake.spark, lake.settings)
    compute_kpis(lake.spark, lake.settings, full=True)
    take(lake, "empty.csv", "", 3)
    take(lake, "c.csv", csv(row(IDS[5], channel="Mobile", value_offline="5.50")), 4)
    return lake


def test_figures_are_those_of_the_tables(seen: DropLake, tmp_path: Path) -> None:
    """Each figure is what the drops say; the page names no customer."""
    page = tmp_path / "report.html"
    seen = seen.copy()

    figures = write_report(seen.spark, seen.settings, page)

    check_drops(figures)
    check_customers(figures)
    check_history(figures)
    check_quality(figures, seen)
    assert figures.segments is None
    compute_segments(seen.spark, seen.settings, date(2021, 3, 4))
    again = write_report(seen.spark, seen.settings, page)
    assert again.segments is not None
    assert again.segments.day == date(2021, 3, 4)
    assert sum(each.customers for each in again.segments.rows) == 6
    assert list(tmp_path.iterdir()) == [page]
    text = page.read_text("utf-8") + str(asdict(again))
    assert not any(each in text for each in IDS)


def check_drops(figures: Figures) -> None:
    """Files and their counts are the ledger's, the newest first; their times have a zone."""
    names = [(each.file, each.state, each.new, each.changed) for each in figures.drops.newest]
    assert names == [
        ("c.csv", "ingested", 1, 0),
        ("empty.csv", "rejected", 0, 0),
        ("b.csv", "ingested", 1, 1),
        ("a.csv", "ingested", 4, 0),
    ]
    assert (figures.drops.count("ingested"), figures.drops.count("rejected")) == (3, 1)
    assert figures.drops.refusals == (("empty_file", 1),)
    assert (figures.drops.rows_read, figures.drops.rows_refused) == (8, 1)
    assert figures.drops_since_kpis == 1
    taken = figures.made_at - figures.drops.newest[0].finished_at
    assert timedelta(0) < taken < timedelta(minutes=10)


def check_customers(figures: Figures) -> None:
    """Customers are the features', KPIs those that were last computed."""
    assert (figures.customers, figures.accepted) == (6, 7)
    assert set(figures.sides) == {
        Side("Mobile", True, 1, 3, Decimal("50.00")),
        Side("Mobile", False, 1, 1, Decimal("5.50")),
        Side("Offline", False, 4, 5, Decimal("40.00")),
    }
    assert [(each.name, each.customers, each.revenue) for each in figures.channels] == [
        ("Mobile", 1, Decimal("50.00")),
        ("Offline", 4, Decimal("40.00")),
    ]
    assert figures.channels[0].quartiles == (Decimal("50.0000"),) * 5
    assert {each.names for each in figures.pairs} == {
        ("Mobile", "OmniChannel"),
        ("Offline", "Offline"),
    }


def check_history(figures: Figures) -> None:
    """A course has one moment for each number of drops, however often KPIs were computed."""
    mobile, offline = figures.channel_courses
    assert mobile == Course("Mobile", tuple(Moment(n, 1, Decimal("50.00")) for n in (1, 2)))
    assert offline.moments == (
        Moment(1, 3, Decimal("30.00")),
        Moment(2, 4, Decimal("40.00")),
    )
    assert [each.name for each in figures.platform_courses] == ["OmniChannel", "Offline"]


def check_quality(figures: Figures, lake: DropLake) -> None:
    """Missing cells count by column, refusals and warnings by rule, in the contract's words."""
    missing = {each.name: each.missing for each in figures.columns}
    assert missing["interested_in_categories_12"] == 1
    assert missing["store_type"] == 6
    assert missing["master_id"] == 0
    contract = load_contract(lake.settings.contract)
    says = {rule.name: rule.says for rule in contract.rules}
    [blank] = figures.refused
    assert (blank.name, blank.rows, blank.columns) == ("blank_master_id", 1, ("master_id",))
    assert blank.says == says["blank_master_id"]
    warned = {each.name: (each.rows, each.columns) for each in figures.warned}
    assert warned["first_after_last"] == (1, ("first_order_date", "last_order_date"))


def test_the_commands_print_and_write(
    seen: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flo segments` prints a row for each segment, `flo report` only says where the file is."""
    monkeypatch.setenv("FLO_ROOT", seen.copy().settings.root)
    published: list[Settings] = []
    monkeypatch.setattr("lake.names.publish_names", lambda _, lake: published.append(lake))
    page = tmp_path / "report.html"

    segments = CliRunner().invoke(cli.app, ["segments", "--date", "2021-02-03", "--format", "json"])
    report = CliRunner().invoke(cli.app, ["report", "--out", str(page)])

    assert segments.exit_code == 0, segments.output
    assert sum(each["customers"] for each in json.loads(segments.stdout)) == 6
    assert "orders after that day, up to 2021-03-01" in segments.stderr
    assert len(published) == 1
    assert (report.exit_code, report.stdout) == (0, "")
    assert f"The report is in {page}" in report.stderr
    assert "3 February 2021" in page.read_text("utf-8")


def test_a_lake_without_drops_gives_empty_figures(lake: DropLake) -> None:
    """Before the first drop there is a report, with nothing in it."""
    figures = gather_figures(lake.spark, lake.settings)

    assert (figures.customers, figures.channels, figures.drops.newest) == (0, (), ())
    assert figures.drops_since_kpis == 0
    assert figures.channel_courses == ()


def test_without_tables_the_remedy_is_named(lake: DropLake, tmp_path: Path) -> None:
    """Before `flo init` the report says what to do first."""
    with pytest.raises(NotFoundError, match="flo init"):
        gather_figures(lake.spark, Settings(root="/tests/none"))
