"""The benchmark's oracle, which the times of all contenders hang on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from bench.oracle import expect, expect_kpis, kept_steps

HEADER = (
    "master_id|order_channel|platform_type|last_order_channel|first_order_date|last_order_date|"
    "last_order_date_online|last_order_date_offline|order_num_total_ever_online|"
    "order_num_total_ever_offline|customer_value_total_ever_offline|"
    "customer_value_total_ever_online|interested_in_categories_12|"
    "online_product_group_amount_top_name_12|offline_product_group_name_12|last_order_date_new|"
    "store_type"
)


def line(name: str, day: str, *, orders: str = "1.0", money: str = "10.00") -> str:
    """Write a customer's line, in layout V7."""
    at = f"{day}T10:00:00.000+03:00"
    return (
        f"{name}|Offline|Offline|Offline|{at}|{at}||{at}||{orders}|{money}|0.00|[]||KADIN|{day}|A"
    )


def write(path: Path, *lines: str) -> Path:
    """Write a file of these lines."""
    path.write_text("\n".join([HEADER, *lines, ""]), "utf-8")
    return path


def test_a_drop_changes_what_is_newer_and_other_and_adds_what_is_new(tmp_path: Path) -> None:
    """Later totals and new customers are changes; repeats and older rows are none."""
    full = write(tmp_path / "full.csv", *(line(name, "2021-05-01") for name in "abc"))
    later, new = line("a", "2021-05-02", money="25.50"), line("d", "2021-05-02")
    repeat, stale = line("b", "2021-05-01"), line("c", "2021-04-01", money="1.00")
    drop = write(tmp_path / "drop.csv", later, repeat, stale, new)
    before, after = expect(full, [drop])
    assert (before.digest.rows, before.digest.orders, before.digest.cents) == (3, 3, 3000)
    assert (after.digest.rows, after.digest.orders, after.digest.cents) == (4, 4, 5550)
    assert after.changed == 2
    assert after.changed_bytes == len(later) + len(new) + 2


def test_the_hash_is_of_the_rows_in_the_table_whatever_way_they_came(tmp_path: Path) -> None:
    """A table reached by drops has the digest of the same table written at once, in any order."""
    full = write(tmp_path / "full.csv", line("a", "2021-05-01"), line("b", "2021-05-01"))
    drop = write(tmp_path / "drop.csv", line("c", "2021-05-03"), line("a", "2021-05-02"))
    rows = (line("b", "2021-05-01"), line("a", "2021-05-02"), line("c", "2021-05-03"))
    at_once = write(tmp_path / "at_once.csv", *rows)
    assert expect(full, [drop])[-1].digest == expect(at_once, [])[0].digest


@pytest.mark.parametrize(
    "other",
    [
        line("a", "2021-05-01").replace("|A", "|B"),
        line("a", "2021-05-01").replace("10:00:00", "10:00:01"),
        line("a", "2021-05-01").replace("|[]|", "||"),
    ],
)
def test_a_difference_in_any_cell_is_another_hash(tmp_path: Path, other: str) -> None:
    """A store, a second, an empty list for a missing one: the counts agree, the hashes do not."""
    one, two = (
        expect(write(tmp_path / name, text), [])[0].digest
        for name, text in (("one.csv", line("a", "2021-05-01")), ("two.csv", other))
    )
    assert (one.rows, one.orders, one.cents) == (two.rows, two.orders, two.cents)
    assert one.hashes != two.hashes


def test_quartiles_are_interpolated_exactly(tmp_path: Path) -> None:
    """Of 1, 2, 4 and 8 the quartiles are 1.75, 3 and 5, and the sum is 15, for every table."""
    rows = (line(str(n), "2021-05-01", money=f"{n}.00") for n in (1, 2, 4, 8))
    kpis = expect_kpis([write(tmp_path / "full.csv", *rows)])
    assert set(kpis) == {"channel_kpis", "platform_kpis", "channel_platform_kpis"}
    found = kpis["channel_platform_kpis"][("Offline", "Offline")]
    assert found["total_revenue"] == Decimal(15)
    quartiles = [found[f"revenue_p{at}"] for at in (25, 50, 75)]
    assert quartiles == [Decimal("1.75"), Decimal(3), Decimal(5)]


def test_what_was_worked_out_is_read_again_for_the_same_files_only(tmp_path: Path) -> None:
    """Another list of drops is another question, whatever is kept."""
    full = write(tmp_path / "full.csv", line("a", "2021-05-01"))
    drop = write(tmp_path / "drop.csv", line("b", "2021-05-01"))
    keep = tmp_path / "expected.json"
    first = kept_steps(full, [drop], keep)
    assert kept_steps(full, [drop], keep) == first == expect(full, [drop])
    assert len(kept_steps(full, [], keep)) == 1
