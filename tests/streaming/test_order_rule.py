"""Any order, grouping and repetition of the same drops ends in the same tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.expected import assert_as_the_oracle_says
from tests.lakes import DropLake
from tests.oracle import OPTIONAL, REQUIRED, File, Oracle

T0 = 1_625_000_000_000  # 2021-06-29
DAY = 86_400_000
POPULATIONS = 4

# Few values, so that ties, equal rows and rows that differ in one column only are frequent.
# The first three of `last_order_date` are one instant; the fourth is a millisecond later.
CELLS = {
    "order_channel": ("Mobile", "Offline", "mağaza, \"4\"", ""),
    "last_order_channel": ("Mobile", "Desktop"),
    "first_order_date": ("2020-01-01", "2015-12-31T23:30:00+02:00", ""),
    "last_order_date": (
        "2021-05-05", "2021-05-05T00:00:00.000+03:00", "2021-05-04T21:00:00Z",
        "2021-05-05T00:00:00.001+03:00", "2021-05-07", "2021-05-08T23:30:00.000+03:00",
    ),
    "last_order_date_online": ("", "2021-05-05", "2016-01-15T22:30:00Z"),
    "last_order_date_offline": ("", "2021-05-05"),
    "last_order_date_new": ("", "2021-05-05"),
    "order_num_total_ever_online": ("", "0", "1", "2.0", "1000000001"),
    "order_num_total_ever_offline": ("", "0", "1", "3"),
    "customer_value_total_ever_online": ("", "0", "10", "10.00", "0.05", "5000000.00"),
    "customer_value_total_ever_offline": ("", "0.0", "7.5", "999999999999.99"),
    "platform_type": ("", "Online", "OmniChannel"),
    "store_type": ("", "A", "A,B"),
    "interested_in_categories_12": ("", "[]", "[KADIN]", "[ERKEK, COCUK]"),
    "online_product_group": ("", "BOT"),
    "offline_product_group": ("", "ÇANTA"),
}  # fmt: skip
BAD = {
    "master_id": ("", "  ", "x" * 129),
    "last_order_date": ("", "2021-02-31", "2121-06-30"),
    "order_num_total_ever_online": ("-1", "4.5", "abc"),
    "customer_value_total_ever_offline": ("1.005", "-0.01", "9999999999999999"),
}


@st.composite
def drops(draw: st.DrawFn, population: int) -> File:
    """Draw a drop that speaks of three customers: its columns, layout, rows and time."""
    names = [*REQUIRED, *draw(st.sets(st.sampled_from((*OPTIONAL, "last_order_date_new"))))]
    names = draw(st.permutations(names))
    rows = [draw(rows_of(population)) for _ in range(draw(st.integers(1, 6)))]
    delimiter, line_end = draw(st.sampled_from(",;|")), draw(st.sampled_from(("\n", "\r\n")))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    aliased = {"offline_product_group": "offline_product_group_name_12"}
    writer.writerow([aliased.get(name, name) for name in names])
    writer.writerows([row[name] for name in names] for row in rows)
    mark = draw(st.sampled_from(("", "\ufeff")))
    made = draw(st.sampled_from((T0, T0, T0 + 1, T0 + DAY)))
    return File("", (mark + text.getvalue()).encode(), made)


@st.composite
def rows_of(draw: st.DrawFn, population: int) -> dict[str, str]:
    """Draw a row that differs from the usual one in few cells; one in eight has a bad cell."""
    row = {name: cells[0] for name, cells in CELLS.items()}
    row["last_order_date"] = draw(st.sampled_from(CELLS["last_order_date"]))
    for name in draw(st.sets(st.sampled_from(sorted(CELLS)), max_size=3)):
        row[name] = draw(st.sampled_from(CELLS[name]))
    row["master_id"] = f"population {population}, customer {draw(st.integers(1, 3))}"
    if draw(st.integers(1, 8)) == 8:
        name = draw(st.sampled_from(sorted(BAD)))
        row[name] = draw(st.sampled_from(BAD[name]))
    return row


@st.composite
def arrangements(draw: st.DrawFn) -> list[list[File]]:
    """Draw drops and the batches in which they come.

    Populations have nothing to do with each other: many small examples in one Spark job, whose
    time hardly depends on what is in it. Two batches are enough for Spark, as what the first has
    left is all that the second sees; the oracle alone is shown other groupings below. A drop's
    time is its file's modification time when it was first seen, so a repetition has the
    time of the first: with another one, which counts would depend on which came first.
    """
    wanted = [draw(drops(at)) for at in range(POPULATIONS) for _ in range(draw(st.integers(2, 4)))]
    made = {file.content: file.modified_ms for file in reversed(wanted)}
    files = [File("", content, at) for content, at in made.items()]
    files += draw(st.lists(st.sampled_from(files), max_size=4))
    files = draw(st.permutations(files))
    named = [
        File(f"{at:02d} {file.drop_id[:6]}.csv", file.content, file.modified_ms)
        for at, file in enumerate(files)
    ]
    cut = draw(st.integers(1, len(named) - 1))
    return [named[:cut], named[cut:]]


def take_all(lake: DropLake, batches: Sequence[Sequence[File]]) -> Oracle:
    """Take the batches in, here and in the oracle."""
    oracle = Oracle()
    for batch in batches:
        oracle.take(batch)
        for file in batch:
            lake.put(file.name, file.content, modified_ms=file.modified_ms)
        lake.take(*(file.name for file in batch))
    return oracle


@given(batches=arrangements(), data=st.data())
@settings(max_examples=50, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
def test_the_rule_itself_knows_no_order(batches: list[list[File]], data: st.DataObject) -> None:
    """In the oracle alone: files in any order, one by one or at once, give the same features."""
    files = [file for batch in batches for file in batch]
    at_once, one_by_one = Oracle(), Oracle()
    at_once.take(files)
    for file in data.draw(st.permutations(files)):
        one_by_one.take([file])
    assert one_by_one.features() == at_once.features()
    assert one_by_one.kpis("order_channel") == at_once.kpis("order_channel")


@pytest.mark.parametrize("writer", ["deletion_vectors", "merge"])
@given(batches=arrangements())
@settings(
    max_examples=3, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
    # No shrinking: each attempt would take Spark some seconds, and the note below says enough.
    phases=[Phase.generate],
)  # fmt: skip
def test_any_order_grouping_and_repetition_gives_the_same_tables(
    new_lake: Callable[..., DropLake], writer: str, batches: list[list[File]]
) -> None:
    """Features, KPIs, accounts and quarantine are the oracle's, however the drops came.

    Whichever writer writes the features.
    """
    for at, batch in enumerate(batches, start=1):
        for file in batch:
            note(f"batch {at}: {file.name}, {file.modified_ms}, {file.content.decode()!r}")
    lake = new_lake(features_writer=writer)
    oracle = take_all(lake, batches)
    assert_as_the_oracle_says(lake, oracle)
