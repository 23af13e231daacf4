"""The first look at a file."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from batch.csv_profile.first_look import FirstLook, look_at
from batch.csv_profile.types_of_text import TypeOfText


def look(header: Sequence[str], *batches: Sequence[tuple[str | None, ...]]) -> FirstLook:
    """Look at rows that come in batches; each column is known by its own name."""
    columns = [
        [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)] for rows in batches
    ]
    return look_at(header, {name: at for at, name in enumerate(header)}, columns)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["1", "-20", None], "bigint"),
        (["4.0", "12.25"], "decimal(4,2)"),
        (["0.05", "000.5"], "decimal(2,2)"),
        (["12,5", "3"], "decimal(3,1)"),
        (["1", "12345678901234567890"], "decimal(20,0)"),
        (["1" * 39], "double"),
        (["1e5", "2.5"], "double"),
        (["2021-05-30", "2021-06-01"], "date"),
        (["30/05/2021", "1/6/21"], "date"),
        (["2021-05-05T21:07:02.000+03:00", None], "timestamp"),
        (["2021-05-05", "2021-05-05 21:07:02"], "timestamp"),
        (["[ERKEK, COCUK]", "[]"], "list"),
        (["true", "False"], "boolean"),
        (["1", "x"], "string"),
        (["12,5", "3.5"], "string"),
        ([None, None], "string"),
    ],
)
def test_a_column_has_the_narrowest_type_that_all_its_texts_fit(
    texts: list[str | None], name: str
) -> None:
    """The type is the narrowest one that no text contradicts."""
    kind = TypeOfText()

    kind.add(pa.array(texts, pa.string()))

    assert kind.name == name


def test_a_later_batch_can_widen_a_type() -> None:
    """A type holds for the whole file, not for its beginning."""
    kind = TypeOfText()
    kind.add(pa.array(["1", "2"]))
    kind.add(pa.array(["3.125"]))
    kind.add(pa.array(["100.5"]))

    assert kind.name == "decimal(6,3)"


def test_rows_missing_values_and_percentages_are_counted_over_all_batches() -> None:
    """Rows and missing values count over the whole file, a percentage is of all rows."""
    found = look(("a", "b"), [("1", None), ("2", "x")], [("3", None)])

    assert found.rows == 3
    assert [(c.name, c.missing, c.missing_percent) for c in found.columns] == [
        ("a", 0, 0.0),
        ("b", 2, 66.6667),
    ]


def test_the_first_five_rows_are_shown_as_they_are() -> None:
    """The first rows are five, also where batches are shorter."""
    found = look(("a",), [("1",), ("2",)], [(None,), ("4",), ("5",), ("6",)])

    assert found.first_rows == (("1",), ("2",), (None,), ("4",), ("5",))


def test_repeats_of_master_id_are_counted_across_batches() -> None:
    """Each row whose master_id came before is one repeat; a missing one repeats nothing."""
    found = look(("master_id",), [("a",), ("b",), (None,)], [("a",), (None,), ("a",)])

    assert found.repeats == 2


def test_without_master_id_nothing_is_said_of_repeats() -> None:
    """Whether customers repeat is unknown where no column names them."""
    assert look(("name",), [("a",)]).repeats is None


def test_groups_are_counted_with_missing_values_as_a_group() -> None:
    """Rows by channel and platform add up to all rows, the most frequent first."""
    found = look(("order_channel",), [("web",), (None,)], [("web",), ("app",)])

    assert found.groups == {"order_channel": {"web": 2, None: 1, "app": 1}}
