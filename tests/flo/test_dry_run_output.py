"""How a dry run is printed, without Spark."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from batch.dry_run import DryRun
from batch.kpis.changes import KpiChange
from batch.kpis.formulas import NUMBERS
from checkpoints.ledger import LedgerRow, State
from flo import cli
from flo.dry_run_output import describe, print_dry_run
from flo.output import Format
from lake.errors import ConfigError

TIME = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNT = LedgerRow(
    path="/flo/landing/a.csv",
    bytes=10,
    modified_at=TIME,
    state=State.INGESTED,
    started_at=TIME,
    drop_id="ab12",
    delimiter="\t",
    columns=("master_id", "order_channel"),
    rows_read=1200,
    rows_accepted=1199,
    rows_inserted=1199,
    rows_quarantined=1,
)
NOBODY = dict.fromkeys(NUMBERS, None) | {"total_customers": 0}
CHANGE = KpiChange(
    "channel_kpis",
    {"order_channel": None},
    NOBODY | {"avg_orders": 2.3, "revenue_p50": Decimal("1.0000")},
    NOBODY | {"avg_orders": 2.5, "revenue_p50": Decimal("1.2500")},
)
RUN = DryRun(ACCOUNT, {"blank_master_id": 1}, {"first_after_last": 3}, (CHANGE,))


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (
            RUN,
            "a.csv would be ingested: 1,199 of its 1,200 rows would be accepted, "
            "and 1 row of the KPI tables would change.",
        ),
        (
            DryRun(replace(ACCOUNT, state=State.DUPLICATE, reason="the same bytes")),
            "a.csv would be a duplicate: the same bytes.",
        ),
        (
            DryRun(replace(ACCOUNT, state=State.REJECTED, reason="empty_file: It is empty.")),
            "a.csv would be rejected: empty_file: It is empty.",
        ),
    ],
)
def test_the_first_sentence_says_what_would_happen(run: DryRun, sentence: str) -> None:
    """Whatever becomes of a file, one sentence says it."""
    assert describe("a.csv", run) == sentence


def test_a_table_shows_what_changes_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a KPI row the numbers that change are shown, with a difference in plain decimals."""
    print_dry_run("a.csv", RUN, Format.TABLE)

    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert printed.startswith("a.csv would be ingested")
    assert ["NULL", "avg_orders", "2.3", "2.5", "0.2"] in lines
    assert ["NULL", "revenue_p50", "1.0000", "1.2500", "0.2500"] in lines
    assert "total_customers" not in printed
    assert ["delimiter", "tab"] in lines
    assert ["blank_master_id", "1"] in lines
    assert ["first_after_last", "3"] in lines


def test_csv_is_one_line_per_value(capsys: pytest.CaptureFixture[str]) -> None:
    """As CSV each value has its section, its item and its name."""
    print_dry_run("a.csv", RUN, Format.CSV)

    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["section", "item", "name", "value"]
    assert ["file", "", "rows_read", "1200"] in rows
    assert ["quarantine", "blank_master_id", "rows", "1"] in rows
    assert ["channel_kpis", '{"order_channel":null}', "avg_orders_difference", "0.2"] in rows


def test_a_dry_run_takes_one_file() -> None:
    """Two files would depend on each other, so they are asked for one by one."""
    result = CliRunner().invoke(cli.app, ["drop", "--dry-run", "a.csv", "b.csv"])

    assert isinstance(result.exception, ConfigError)
    assert "one file, not 2" in str(result.exception)
