"""A row that a table's constraint refuses goes to quarantine, and stops no batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.dry_run import dry_run
from batch.verification.verify import verify
from lake.errors import ConfigError
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, table_path
from streaming.supervisor import Supervisor
from tests.lakes import HEADER, DropLake, csv, row

pytestmark = pytest.mark.integration


def constrain(lake: DropLake, table: str, name: str, condition: str) -> None:
    """Add a constraint to a table, as an operator would."""
    path = table_path(lake.settings, table)
    lake.spark.sql(f"ALTER TABLE delta.`{path}` ADD CONSTRAINT {name} CHECK ({condition})")


@pytest.fixture(scope="module")
def strict(new_lake: Callable[[], DropLake]) -> DropLake:
    """Make a lake whose tables have constraints that an operator has added."""
    lake = new_lake()
    constrain(lake, SNAPSHOTS, "no_phone", "order_channel <> 'Phone'")
    constrain(lake, SNAPSHOTS, "numbered", "CAST(substr(master_id, 2) AS BIGINT) > 0")
    constrain(lake, FEATURES, "bounded", "order_num_total <= 10 AND customer_value_total < 1000")
    constrain(lake, FEATURES, "derived", "platform_type IS NOT NULL")
    constrain(lake, FEATURES, "related", "store_type IS NULL OR order_num_total > 1")
    return lake


def test_rows_that_break_a_constraint_are_in_quarantine(strict: DropLake, tmp_path: Path) -> None:
    """Each with the names of those it breaks, and NULL breaks one; the stream says the same."""
    text = csv(
        *[f"{row(f'c{n}', orders_offline='2')},A" for n in range(1, 8)],
        f"{row('c8', channel='Phone', orders_offline='2')},A",
        f"{row('c9', channel='', orders_offline='2').replace(',,', ',,Mobile', 1)},A",
        f"{row('cx', orders_offline='2')},A",
        f"{row('c10', orders_online='6', orders_offline='5')},A",
        f"{row('c11', value_offline='1000', orders_offline='2')},A",
        f"{row('c12')},A",
        header=f"{HEADER},store_type",
    )
    strict.put("rows.csv", text)
    expected = {
        8: ["table_constraint: no_phone"],
        9: ["table_constraint: no_phone"],
        10: ["table_constraint: numbered"],
        11: ["table_constraint: bounded"],
        12: ["table_constraint: bounded"],
        13: ["table_constraint: related"],
    }
    file = tmp_path / "rows.csv"
    file.write_text(text)
    told = dry_run(strict.spark, strict.settings, strict.contract, file, datetime.now(UTC))
    assert told.account.rows_quarantined == len(expected)
    once = strict.settings.model_copy(update={"retry_seconds": 0})
    assert Supervisor(strict.spark, once, strict.contract, once=True).run() == 0
    [account] = strict.ledger()
    assert (account["state"], account["rows_quarantined"]) == ("ingested", len(expected))
    assert dict(strict.rows(QUARANTINE, "row_no", "reasons")) == expected
    assert [row[0] for row in strict.features("master_id")] == [f"c{n}" for n in range(1, 8)]
    strict.put("lacks.csv", csv(row("c20", orders_offline="2")))
    [lacks] = strict.take("lacks.csv")
    assert lacks["state"] == "rejected", "its header lacks what `related` compares"
    assert verify(strict.spark, strict.settings, from_archive=True).differences == ()


@pytest.mark.parametrize(
    ("table", "change", "remedy"),
    [
        (QUARANTINE, "ADD CONSTRAINT short CHECK (row_no < 3)", "DROP CONSTRAINT short"),
        (LEDGER, "ADD CONSTRAINT big CHECK (bytes > 1000)", "DROP CONSTRAINT big"),
    ],
)
def test_where_no_row_may_be_refused_a_constraint_is(
    lake: DropLake, table: str, change: str, remedy: str
) -> None:
    """On quarantine or ledger, found at a start or in mid-stream: told with its remedy, and over.

    The remedy helps, and nothing has been taken in before.
    """
    processor = lake.processor()
    path = f"delta.`{table_path(lake.settings, table)}`"
    lake.spark.sql(f"ALTER TABLE {path} {change}")
    lake.put("a.csv", csv(row("c1"), row("c2"), row("")))
    for take in (lake.processor, lambda: lake.take(processor=processor)):
        with pytest.raises(ConfigError, match=f"{table} has a constraint") as told:
            take()
        assert f"ALTER TABLE {path} {remedy}." in str(told.value)
    assert lake.count(SNAPSHOTS) == 0
    lake.spark.sql(f"ALTER TABLE {path} {remedy}")
    [account] = lake.take()
    assert (account["state"], account["rows_quarantined"]) == ("ingested", 1)
