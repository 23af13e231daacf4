"""The 100,000-row file holds every published cell."""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from samples import write_changes_for, write_flo100k

SHA256 = "d3c8c46fdf201cbaa6242621100c8a994692cc4316f592472d7502927f9568bf"
FIGURES = json.loads(
    (Path(__file__).parents[2] / "samples" / "published.json").read_text(encoding="utf-8")
)
TIMES = (
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
)
GROUPS = [("order_channel", row) for row in FIGURES["by_order_channel"]] + [
    ("platform_type", row) for row in FIGURES["by_platform_type"]
]
Row = dict[str, str]
Group = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class File:
    """The file as written: its path and its rows."""

    path: Path
    rows: list[Row]


@pytest.fixture(scope="module")
def flo100k(tmp_path_factory: pytest.TempPathFactory) -> Iterator[File]:
    """Write and read the file once for all tests here."""
    out = tmp_path_factory.mktemp("flo100k")
    [path] = write_flo100k(out)
    with path.open(encoding="ascii", newline="") as lines:
        yield File(path, list(csv.DictReader(lines, delimiter="|")))


def orders(row: Row) -> int:
    """Return the orders of both sides."""
    online, offline = row["order_num_total_ever_online"], row["order_num_total_ever_offline"]
    return int(Decimal(online or "0") + Decimal(offline or "0"))


def revenue(row: Row) -> Decimal:
    """Return the value of both sides."""
    online = Decimal(row["customer_value_total_ever_online"])
    return online + Decimal(row["customer_value_total_ever_offline"])


def named(parameter: Any) -> str:
    """Name a case by its group."""
    return str(parameter[1][parameter[0]] + " " + parameter[0])


def test_one_file_in_layout_v7(flo100k: File) -> None:
    """The mode writes one .csv, whose header is the published one in its order."""
    text = flo100k.path.read_bytes()

    assert [path.name for path in flo100k.path.parent.iterdir()] == ["flo100k.csv"]
    assert text.partition(b"\n")[0].decode() == "|".join(FIGURES["header"])
    assert len(flo100k.rows) == FIGURES["rows"] == text.count(b"\n") - 1


def test_identifiers_are_unique_lowercase_uuids(flo100k: File) -> None:
    """No two customers share a master_id, and each looks like a UUIDv1."""
    pattern = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-8[0-9a-f]{3}-0200f10f10f1")

    assert len({row["master_id"] for row in flo100k.rows}) == FIGURES["rows"]
    assert all(pattern.fullmatch(row["master_id"]) for row in flo100k.rows)


@pytest.mark.parametrize("group", GROUPS, ids=named)
def test_customers_orders_and_revenue_are_exact(flo100k: File, group: Group) -> None:
    """Each channel and each platform has its published customers, orders, sum, least and most."""
    column, figures = group
    members = [row for row in flo100k.rows if row[column] == figures[column]]
    values = [revenue(row) for row in members]

    assert len(members) == figures["total_customers"]
    assert sum(map(orders, members)) == figures["total_orders"]
    assert sum(values) == Decimal(figures["total_revenue"])
    assert (min(values), max(values)) == (Decimal(figures["min"]), Decimal(figures["max"]))


@pytest.mark.parametrize("group", GROUPS, ids=named)
def test_quartiles_are_exact(flo100k: File, group: Group) -> None:
    """With linear interpolation the quartiles are the published ones, too."""
    column, figures = group
    values = sorted(revenue(row) for row in flo100k.rows if row[column] == figures[column])
    found = []
    for quarter in (1, 2, 3):
        place, part = divmod((len(values) - 1) * quarter, 4)
        found.append(values[place] + (values[place + 1] - values[place]) * part / 4)

    assert found == [Decimal(figures[name]) for name in ("p25", "p50", "p75")]


def test_cross_counts_are_exact(flo100k: File) -> None:
    """Customers by platform and channel together are the published ones."""
    counted = Counter((row["platform_type"], row["order_channel"]) for row in flo100k.rows)

    cells = FIGURES["platform_by_channel_customers"]
    assert counted == {(p, c): n for p, row in cells.items() for c, n in row.items()}


def test_missing_counts_are_exact(flo100k: File) -> None:
    """Each column is empty as often as published, and unnamed columns never."""
    counted = Counter(name for row in flo100k.rows for name, text in row.items() if not text)

    assert counted == FIGURES["missing"]


def test_store_types_and_first_years_are_exact(flo100k: File) -> None:
    """Store types and first-order years occur as often as published; the last day is reached."""
    stores = Counter(row["store_type"] for row in flo100k.rows)
    years = Counter(row["first_order_date"][:4] for row in flo100k.rows)

    assert stores == FIGURES["store_type"]
    assert years == FIGURES["first_order_year"]
    assert max(row["last_order_date"] for row in flo100k.rows)[:10] == "2021-05-30"


def test_platform_rule_differs_for_4793(flo100k: File) -> None:
    """The rule from the counts contradicts the file in OmniChannel x Offline only, always there."""
    rule = {(False, True): "Offline", (True, False): "Online", (True, True): "OmniChannel"}
    differing = Counter(
        (row["platform_type"], row["order_channel"])
        for row in flo100k.rows
        if row["platform_type"]
        != rule.get(
            (bool(row["order_num_total_ever_online"]), bool(row["order_num_total_ever_offline"]))
        )
    )

    assert differing == {("OmniChannel", "Offline"): 4793}
    assert sum(orders(row) == 0 for row in flo100k.rows) == 263


def test_every_row_agrees_with_itself(flo100k: File) -> None:
    """First <= last = the later side; a side is there with count, time and value or not at all."""
    for row in flo100k.rows:
        first, last = row["first_order_date"], row["last_order_date"]
        sides = []
        for side in ("online", "offline"):
            at, count = row[f"last_order_date_{side}"], row[f"order_num_total_ever_{side}"]
            value = Decimal(row[f"customer_value_total_ever_{side}"])
            assert bool(at) == bool(count)
            assert value == 0 if not count else value >= 0 and Decimal(count) >= 1
            assert not at or at >= first
            sides.append(at)
        assert first <= last
        assert max(sides) in (last, "")
        assert orders(row) != 1 or first == last
        assert row["last_order_date_new"] == last[:10]


def test_a_channel_is_one_that_the_customer_bought_in(flo100k: File) -> None:
    """An online order channel has online orders; the last channel is on the last order's side."""
    for row in flo100k.rows:
        assert (row["order_channel"] != "Offline") == bool(row["order_num_total_ever_online"])
        if orders(row):
            side = "offline" if row["last_order_channel"] == "Offline" else "online"
            assert row[f"last_order_date_{side}"] == row["last_order_date"]


def test_times_carry_the_offset_of_istanbul(flo100k: File) -> None:
    """Each time's offset is the tz database's, winters before September 2016 included."""
    istanbul = ZoneInfo("Europe/Istanbul")
    texts = {row[name] for row in flo100k.rows for name in TIMES if row[name]}

    for text in texts:
        at = datetime.fromisoformat(text)
        assert at.isoformat(timespec="milliseconds") == text
        assert at.astimezone(istanbul).utcoffset() == at.utcoffset()
    assert {text[-6:] for text in texts} == {"+02:00", "+03:00"}


def test_numbers_are_written_as_in_the_real_layout(flo100k: File) -> None:
    """Counts end in .0, values have two decimals, and nothing is quoted."""
    for row in flo100k.rows:
        for side in ("online", "offline"):
            count = row[f"order_num_total_ever_{side}"]
            assert not count or (count.endswith(".0") and count[:-2].isdecimal())
            whole, _, cents = row[f"customer_value_total_ever_{side}"].partition(".")
            assert whole.isdecimal()
            assert len(cents) == 2
            assert cents.isdecimal()
    assert b'"' not in flo100k.path.read_bytes()


def test_changes_follow_the_file(flo100k: File, tmp_path: Path) -> None:
    """A change drop against the file repeats a fifth of its rows as they stand there."""
    [path] = write_changes_for(flo100k.path, tmp_path, drops=1, rows=1_000, seed=1)
    lines = path.read_bytes().splitlines()[1:]
    known = {row["master_id"].encode() for row in flo100k.rows}

    assert path.name == "flo100k_0002_changes.csv"
    assert len(set(lines) & set(flo100k.path.read_bytes().splitlines())) == 200
    assert sum(line[:36] in known for line in lines) == 800


def test_bytes_are_the_same_everywhere(flo100k: File) -> None:
    """The file is the same byte for byte on every machine and Python version."""
    assert hashlib.sha256(flo100k.path.read_bytes()).hexdigest() == SHA256
    assert flo100k.path.stat().st_mtime == datetime.fromisoformat("2021-06-01T09:00Z").timestamp()
