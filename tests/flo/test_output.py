"""What is printed can be read back without loss."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flo.output import Format, print_rows
from flo.text_table import BLOCK
from lake.errors import ConfigError

ISTANBUL = timezone(timedelta(hours=3))


def printed(columns: Sequence[str], rows: Sequence[Sequence[Any]], output: Format) -> str:
    """Print to memory, as if into a file."""
    stream = io.StringIO(newline="")
    assert print_rows(columns, rows, output, stream=stream) == len(rows)
    return stream.getvalue()


def test_csv_ends_its_lines_as_rfc_4180_says() -> None:
    """Every line of CSV ends in CR LF, the last one too."""
    assert printed(["a", "b"], [[1, 2]], Format.CSV) == "a,b\r\n1,2\r\n"


def test_csv_tells_null_from_an_empty_text() -> None:
    """NULL is an empty field; an empty text is a quoted one."""
    assert printed(["a", "b"], [[None, ""]], Format.CSV).splitlines()[1] == ',""'


def test_csv_keeps_a_row_of_one_null() -> None:
    """A line is never empty, as readers would skip it."""
    assert printed(["a"], [[None]], Format.CSV) == 'a\r\n""\r\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("29209425.60"), "29209425.60"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-8"), "0.00000000"),
        (1.6003475361663653, "1.6003475361663653"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (2**63 - 1, "9223372036854775807"),
        (True, "true"),
        (date(2021, 5, 30), "2021-05-30"),
        (datetime(2021, 5, 5, 21, 7, 2, tzinfo=ISTANBUL), "2021-05-05T21:07:02+03:00"),
        (datetime(2021, 5, 5, 21, 7, 2, 500, UTC), "2021-05-05T21:07:02.000500+00:00"),
        (timedelta(days=1, seconds=90), "P1DT90S"),
        (b"\x00\xff", "AP8="),
    ],
)
def test_csv_writes_each_type_its_own_way(value: object, text: str) -> None:
    """Decimals are plain, doubles the shortest that read back, times ISO 8601 with offset."""
    assert printed(["a"], [[value]], Format.CSV) == f"a\r\n{text}\r\n"


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (["ERKEK", "ÇOCUK"], ["ERKEK", "ÇOCUK"]),
        ([], []),
        ({"a": Decimal("1.50"), "b": None}, {"a": "1.50", "b": None}),
        ([{"at": date(2021, 5, 30)}], [{"at": "2021-05-30"}]),
        ({1: True}, {"1": True}),
        ([float("inf")], ["Infinity"]),
    ],
)
def test_csv_writes_arrays_and_maps_as_json(value: object, back: object) -> None:
    """What nests is JSON in its field."""
    text = printed(["a"], [[value]], Format.CSV)

    assert json.loads(next(csv.DictReader(io.StringIO(text)))["a"]) == back


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2)))
def test_any_text_survives_csv(rows: list[list[str]]) -> None:
    """Delimiters, quotes and line ends inside a text come back as they were."""
    text = printed(["a,b", 'say "c"'], rows, Format.CSV)

    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [["a,b", 'say "c"'], *rows]


@given(st.floats(allow_nan=False))
def test_any_double_reads_back_as_itself(value: float) -> None:
    """The text of a double is the double, to the last bit."""
    assert float(printed(["a"], [[value]], Format.CSV).split()[1]) == value


def test_json_is_one_array_of_objects() -> None:
    """Numbers stay numbers, decimals are texts, NULL is null."""
    rows = [[1, 0.5, Decimal("3.10"), None, ["x"]], [2, 1.0, Decimal(0), "ş", []]]

    text = printed(["n", "d", "m", "t", "l"], rows, Format.JSON)

    assert json.loads(text) == [
        {"n": 1, "d": 0.5, "m": "3.10", "t": None, "l": ["x"]},
        {"n": 2, "d": 1.0, "m": "0", "t": "ş", "l": []},
    ]


def test_json_of_no_rows_is_an_empty_array() -> None:
    """A result without rows is JSON as well."""
    assert json.loads(printed(["a"], [], Format.JSON)) == []


def test_json_refuses_two_columns_of_one_name() -> None:
    """An object cannot hold a name twice, so nothing is lost silently."""
    with pytest.raises(ConfigError, match="named 'a'"):
        printed(["a", "a"], [[1, 2]], Format.JSON)


def test_a_table_in_a_file_is_never_cut() -> None:
    """Where there is no terminal, values appear whole on one line."""
    long = "x" * 5000

    text = printed(["a", "b"], [[long, None]], Format.TABLE)

    assert any(long in line and "NULL" in line for line in text.splitlines())


def test_a_table_shows_every_row_of_a_large_result() -> None:
    """More rows than one block are printed in several."""
    text = printed(["n"], [[f"row{n}"] for n in range(BLOCK + 1)], Format.TABLE)

    assert sum(line.strip().startswith("row") for line in text.splitlines()) == BLOCK + 1


def test_a_table_does_not_pass_on_control_characters() -> None:
    """A supplier's text cannot steer the terminal or use the table's markup."""
    text = printed(["a"], [["\x1b[31m[bold]red\n"]], Format.TABLE)

    assert "\\x1b[31m[bold]red\\n" in text


def test_a_query_that_fails_prints_no_header() -> None:
    """The first row is computed before anything is printed."""
    stream = io.StringIO()

    def rows() -> Any:
        raise ConfigError("no")
        yield

    with pytest.raises(ConfigError):
        print_rows(["a"], rows(), Format.CSV, stream=stream)
    assert stream.getvalue() == ""
