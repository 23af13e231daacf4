"""The real file, re-saved in every delimiter, date format, line end and encoding."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

REAL = Path(__file__).parents[4] / "shared" / "data" / "flo_data_20k_v2.csv"
DAYS = {"yyyy-MM-dd": "%Y-%m-%d", "dd/MM/yyyy": "%d/%m/%Y", "dd.MM.yyyy": "%d.%m.%Y",
        "dd/MM/yy": "%d/%m/%y"}  # fmt: skip
COUNTS = ("order_num_total_ever_online", "order_num_total_ever_offline")
MONEY = ("customer_value_total_ever_online", "customer_value_total_ever_offline")


@pytest.fixture(scope="module")
def real() -> list[dict[str, str]]:
    """Read the real file as it is."""
    if not REAL.exists():
        pytest.skip("the real file is not here")
    with REAL.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def resaved(rows: list[dict[str, str]], delimiter: str, day: str, end: str, mark: str) -> str:
    """Write rows as another program would."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            date.fromisoformat(value).strftime(DAYS[day]) if "date" in name
            else value.removesuffix(".0") if name in COUNTS and mark == ","
            else value.replace(".", mark) if name in MONEY
            else value
            for name, value in row.items()
        )  # fmt: skip
    return out.getvalue()


def test_the_real_file_is_read_whole(real, decode):
    """All 19,945 customers and every cell of the real file come back."""
    drop, rows = (outcome := decode(REAL.read_bytes(), limit=1 << 20)).drop, outcome.rows

    assert drop.rows == 19_945
    assert (drop.notes, drop.date_format, drop.decimal_mark) == ((), "yyyy-MM-dd", ".")
    assert [{name: row[name] for name in real[0]} for row in rows] == real
    assert sum(Decimal(row[name]) for row in rows for name in MONEY) == Decimal("14983567.31")


# Every pair of properties occurs; all ninety-six mixtures would take too long here.
MIXTURES = [
    (delimiter, day, end, encoding)
    for number, (delimiter, day, end, encoding) in enumerate(
        itertools.product(",;|\t", DAYS, ("\n", "\r\n"), ("utf-8", "utf-8-sig", "utf-16", "cp1254"))
    )
    if number % 5 == 0
]


@pytest.mark.parametrize(("delimiter", "day", "end", "encoding"), MIXTURES)
def test_the_real_file_is_read_however_it_was_saved(real, decode, delimiter, day, end, encoding):
    """Delimiter, date format, line end, encoding and decimal mark change no customer."""
    part = [dict(row) for row in real[:400]]
    part[0]["order_channel"] = "Mağaza"

    data = resaved(part, delimiter, day, end, ",").encode(encoding)
    drop, rows = (outcome := decode(data, limit=1 << 20)).drop, outcome.rows

    assert (drop.delimiter, drop.date_format, drop.date_order) == (delimiter, day, "dmy")
    assert drop.decimal_marks[MONEY[0]] == ","
    assert [row["master_id"] for row in rows] == [row["master_id"] for row in part]
    assert rows[0]["order_channel"] == "Mağaza"
    for name in MONEY:
        assert [row[name].replace(",", ".") for row in rows] == [row[name] for row in part]
