"""Refused rows leave as a CSV that can be mended and dropped again, and that harms nobody."""

from __future__ import annotations

import csv as plain_csv
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from batch.mending import (
    Reading,
    check_target,
    plain_date,
    plain_number,
    split_row,
    write_export,
)
from flo import cli
from lake.contract import load_contract
from lake.errors import ConfigError, NotFoundError
from lake.settings import CONF
from lake.tables import FEATURES, SNAPSHOTS
from tests.lakes import HEADER, DropLake

CONTRACT = load_contract(CONF / "contracts" / "flo.toml")


def reading(
    *columns: str, delimiter: str = ",", date_format: str = "", decimal_mark: str = ""
) -> Reading:
    """Take the reading of a drop from such an account."""
    account = {
        "columns": list(columns),
        "delimiter": delimiter,
        "date_format": date_format,
        "decimal_mark": decimal_mark,
    }
    return Reading.of(account, CONTRACT)


def export(
    folder: Path, how: Reading, *rows: tuple[str, Sequence[str]]
) -> tuple[list[list[str]], Any]:
    """Write rows and read the file back as any CSV reader would; also what was counted."""
    target = folder / "out.csv"
    done = write_export(rows, how, target)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        return list(plain_csv.reader(stream, delimiter=how.delimiter)), done


def test_cells_keep_their_columns_and_gain_their_reasons(tmp_path: Path) -> None:
    """Delimiters, quotes and line breaks in cells, and columns without a name, survive."""
    how = reading("", "master_id", "store_type", "own", delimiter=";")
    rows, done = export(
        tmp_path, how, ('7; c1 ;"A;""B""\nC";"x"', ["negative: n", "fractional: n"])
    )
    assert rows == [
        ["", "master_id", "store_type", "own", "_reasons"],
        ["7", "c1", 'A;"B"\nC', "x", "negative: n; fractional: n"],
    ]
    assert (done.rows, done.unsplit, done.apostrophes) == (1, 0, 0)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("c1,A", "wrong_field_count"),
        ("c1,A,B,C", "wrong_field_count"),
        ('c1,"A,B', "unclosed_quote"),
        ("c1,A\ufffd,B", "undecodable_text"),
        ("c1,A,B", "record_too_long"),
    ],
)
def test_a_row_that_cannot_be_split_is_one_cell(tmp_path: Path, raw: str, reason: str) -> None:
    """Its text is there whole, and no field of it passes for a mended one."""
    rows, done = export(tmp_path, reading("master_id", "store_type", "own"), (raw, [reason]))
    assert rows[1] == [raw, "", "", reason]
    assert done.unsplit == 1


def test_empty_fields_without_a_name_may_come_and_go() -> None:
    """Trailing delimiters in the header alone, or in the rows alone, are no wrong count."""
    assert split_row("c1,x", reading("master_id", "own", "", "")) == ["c1", "x", "", ""]
    assert split_row("c1,x,,", reading("master_id", "own")) == ["c1", "x"]
    assert split_row("c1,x,y", reading("master_id", "own")) is None
    assert split_row("c1", reading("master_id", "own", "")) is None
    assert split_row("c1,x\nc2,y", reading("master_id", "own")) is None


def test_what_a_spreadsheet_would_run_is_text(tmp_path: Path) -> None:
    """A formula gets an apostrophe and a word about it; a number stays a number."""
    how = reading("master_id", "store_type", "own", "=own")
    rows, done = export(
        tmp_path,
        how,
        ('=HYPERLINK("x"),\t@SUM(1),-5,+3.5'.replace('"x"', "x"), ["negative: n"]),
        ("-,1-1,+1+1,\uff1d1", ["negative: n"]),
    )
    assert rows == [
        ["master_id", "store_type", "own", "'=own", "_reasons"],
        [
            "'=HYPERLINK(x)",
            "'@SUM(1)",
            "-5",
            "+3.5",
            "negative: n; apostrophe: master_id; apostrophe: store_type",
        ],
        [
            "'-",
            "1-1",
            "'+1+1",
            "'\uff1d1",
            "negative: n; apostrophe: master_id; apostrophe: own; apostrophe: =own",
        ],
    ]
    assert done.apostrophes == 5


def test_an_earlier_export_that_was_refused_again_has_one_column_of_reasons(tmp_path: Path) -> None:
    """The reasons of the last time give way to the new ones."""
    how = reading("_reasons", "master_id", "own")
    rows, _ = export(tmp_path, how, ("old,c1,x", ["new"]), ("c1", ["wrong_field_count"]))
    assert rows == [
        ["master_id", "own", "_reasons"],
        ["c1", "x", "new"],
        ["c1", "", "wrong_field_count"],
    ]


@pytest.mark.parametrize(
    ("cell", "month_first", "written"),
    [
        ("03/04/2021", False, "2021-04-03"),
        ("03/04/2021", True, "2021-03-04"),
        ("3.4.21 07:05", False, "2021-04-03 07:05"),
        ("31/02/2021", False, "31/02/2021"),
        ("2021-05-05T21:07:02.000+03:00", True, "2021-05-05T21:07:02.000+03:00"),
        ("soon", False, "soon"),
    ],
)
def test_a_date_cannot_be_misread_any_more(cell: str, month_first: bool, written: str) -> None:
    """Year first, in the order that the whole drop had; what is no date is left to be seen."""
    assert plain_date(cell, month_first=month_first) == written


@pytest.mark.parametrize(
    ("cell", "mark", "written"),
    [
        ("1.234,5", ",", "1234.5"),
        ("1.234", ",", "1234"),
        ("1.234", ".", "1.2340"),
        ("1,234.50", ".", "1234.50"),
        ("1.500E+05", ".", "1.5000E+05"),
        ("-4", ",", "-4"),
        ("12,5", ".", "12,5"),
        ("", ".", ""),
    ],
)
def test_a_number_cannot_be_misread_any_more(cell: str, mark: str, written: str) -> None:
    """With a decimal point, and never with what could be a thousands mark."""
    assert plain_number(cell, mark) == written


def test_the_notation_is_the_accounts() -> None:
    """Decimal marks are told by column, the order of day and month for all dates."""
    counts = {"order_num_total_ever_online", "order_num_total_ever_offline"}
    how = reading("master_id", date_format="yyyy-MM-dd; x=MM/dd/yy", decimal_mark=",")
    assert (how.month_first, set(how.marks.values())) == (True, {","})
    told = "; ".join(f"{name}=," for name in sorted(counts)) + "; rest=."
    how = reading("master_id", date_format="yyyy-MM-dd or dd.MM.yyyy", decimal_mark=told)
    assert not how.month_first
    assert {name for name, mark in how.marks.items() if mark == ","} == counts


def test_the_file_is_whole_private_and_new(tmp_path: Path) -> None:
    """It is for its owner alone, replaces nothing, and a failure leaves nothing behind."""
    target = tmp_path / "out.csv"
    how = reading("master_id", "own")

    def failing() -> Any:
        yield "c1,x", ["new"]
        raise NotFoundError("gone")

    with pytest.raises(NotFoundError):
        write_export(failing(), how, target)
    assert list(tmp_path.iterdir()) == []
    write_export([("c1,x", ["new"])], how, target)
    before = target.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert before.startswith(b"\xef\xbb\xbfmaster_id,own,_reasons\r\n")
    with pytest.raises(ConfigError, match="exists already"):
        write_export([("c2,x", ["new"])], how, target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["out.txt", "_out.csv", "out.csv.gz"])
def test_a_name_that_could_not_be_dropped_is_refused(tmp_path: Path, name: str) -> None:
    """What is exported is meant to be dropped again."""
    with pytest.raises(ConfigError, match="dropped again"):
        check_target(tmp_path / name)
    with pytest.raises(NotFoundError, match="no directory"):
        check_target(tmp_path / "none" / "out.csv")


def test_an_export_needs_one_drop(tmp_path: Path) -> None:
    """One header fits one drop only."""
    done = CliRunner().invoke(cli.app, ["quarantine", "--export", str(tmp_path / "out.csv")])
    assert isinstance(done.exception, ConfigError)
    assert "--drop" in str(done.exception)


def test_mended_rows_are_accepted_with_all_that_was_right_in_them(
    lake: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported, mended and dropped again, every row is in, and read as the drop was read."""
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)

    def quarantine(*arguments: str) -> Result:
        return CliRunner().invoke(cli.app, ["quarantine", "--drop", account["drop_id"], *arguments])

    # Only good rows tell that the month comes first and that the decimal mark is a comma.
    good = [mdy(f"g{n}", "12/31/2020", value="1.234,56") for n in range(4)]
    negative = mdy("b1", "03/04/2021", value="2.340", channel='"Shop, ""old"""', orders="-1")
    surplus = mdy("b2", "05/06/2021", value="3.450") + ";;x"
    header = HEADER.replace(",", ";") + ";loyalty"
    lake.put("a.csv", "\n".join([f";{header}", *good, negative, surplus]))
    [account] = lake.take()
    assert (account["rows_accepted"], account["rows_quarantined"]) == (4, 2)

    target = tmp_path / "mended.csv"
    done = quarantine("--export", str(target))
    assert done.exit_code == 0, done.exception
    assert done.stdout == ""
    assert "2 rows are in" in done.stderr
    assert "personal data" in done.stderr
    assert not re.search(r"\bb1\b", done.stderr)

    lake.put("again.csv", target.read_bytes())
    [account] = lake.take()
    assert account["rows_quarantined"] == 2, "what nobody mended is refused again"

    text = target.read_text("utf-8-sig").replace(";-1;", ";1;")
    whole = f'"{surplus}"' + ";" * 13
    assert f"{whole};wrong_field_count; write dates as yyyy-MM-dd" in text.replace(
        '"wrong', "wrong"
    )
    mended = surplus.removesuffix(";;x")
    for old, new in (("05/06/2021", "2021-05-06"), ("3.450", "3450"), ("0,00", "0.00")):
        mended = mended.replace(old, new)
    lake.put("mended.csv", text.replace(whole, mended))
    [account] = lake.take()
    assert (account["state"], account["rows_inserted"]) == ("ingested", 2), account
    read = lake.features(
        "master_id", "order_channel", "last_order_date", "customer_value_total_ever_offline"
    )
    assert [tuple(map(str, each)) for each in read[:2]] == [
        ("b1", 'Shop, "old"', "2021-03-04", "2340.00"),
        ("b2", "Offline", "2021-05-06", "3450.00"),
    ]
    assert lake.count(FEATURES) == 6
    rescued = dict(lake.rows(SNAPSHOTS, "master_id", "rescued"))
    assert rescued["b1"] == {
        "loyalty": "gold",
        "_reasons": "negative: order_num_total_ever_offline",
    }


def mdy(
    master_id: str, day: str, *, value: str, channel: str = "Offline", orders: str = "1"
) -> str:
    """Write a row of a drop with an index column, the month first and a decimal comma."""
    cells = [
        "0",
        master_id,
        channel,
        "Offline",
        day,
        day,
        "",
        day,
        "0",
        orders,
        value,
        "0,00",
        "[]",
    ]
    return ";".join([*cells, "gold"])
