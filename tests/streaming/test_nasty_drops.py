"""Named nasty drops, all the way: what the ledger says of each, and what is in quarantine.

They come in one batch, so that each also proves that it does not trouble the others.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from pyspark.sql import functions as F

from checkpoints.in_hand import tell_in_hand
from lake.contract import Supplier
from lake.fs import FileInfo
from lake.tables import FEATURES, QUARANTINE, SNAPSHOTS
from streaming.supervisor import Supervisor
from tests.lakes import HEADER, DropLake

MADE = int(datetime(2021, 6, 29, 9, tzinfo=UTC).timestamp() * 1000)
NIGHT = int(datetime(2021, 6, 29, 21, 30, tzinfo=UTC).timestamp() * 1000)  # the 30th in Istanbul
LINE_LIMIT = 1 << 17
NAMES = HEADER.split(",")[:-1]
H = ",".join(NAMES) + "\n"
VALUE = "customer_value_total_ever_online"
ORDERS = "order_num_total_ever_online"
USUAL = dict(
    zip(NAMES, ["", "Mobile", "Offline", "2020-09-15", "2021-02-26", "2021-02-11", "2021-02-26",
                "4.0", "1.0", "154.90", "812.45"], strict=True)
)  # fmt: skip
NO_DATES = dict.fromkeys(
    ("first_order_date", "last_order_date_online", "last_order_date_offline"), ""
)
_numbers = count(1)


def line(delimiter: str = ",", **cells: str) -> str:
    """Write a row with these cells; a customer of its own, so that no two drops are the same."""
    row = {**USUAL, "master_id": f"customer-{next(_numbers)}", **cells}
    return delimiter.join(row[name] for name in NAMES) + "\n"


def beside(**cells: str) -> str:
    """Write a good row and then one with these cells: half of the rows may be bad, not more."""
    return H + line() + line(**cells)


def under(delimiter: str, *rows: Mapping[str, str]) -> str:
    """Write a drop of these rows with another delimiter."""
    return H.replace(",", delimiter) + "".join(line(delimiter, **cells) for cells in rows)


def money(*values: str) -> str:
    """Write a drop with these values in one column of money."""
    return under(";", *({VALUE: value} for value in values))


def day(*values: str) -> str:
    """Write a drop whose only dates are these last order dates."""
    return H + "".join(line(**NO_DATES, last_order_date=value) for value in values)


def extra(names: str, cells: str) -> str:
    """Write a drop of one row with further columns at its end."""
    return f"{H[:-1]},{names}\n{line()[:-1]},{cells}\n"


def workbook() -> bytes:
    """Make what a spreadsheet saves: a ZIP of XML."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("[Content_Types].xml", "<Types/>")
    return file.getvalue()


@dataclass(frozen=True)
class Case:
    """A drop and what must become of it.

    Attributes:
        refused: the code of the whole drop's refusal; empty where it is ingested.
        bad: the reasons of each row in quarantine, by ``row_no``.
        cells: some values of the first accepted row; ``last_order_at`` as text in UTC.
        found: some columns of the ledger.
        note: a part of one of the ledger's notes.
    """

    id: str
    data: str | bytes
    refused: str = ""
    read: int = 1
    bad: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    superseded: int = 0
    cells: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    name: str = ""

    @property
    def stored(self) -> bytes:
        """The bytes of the file."""
        return self.data if isinstance(self.data, bytes) else self.data.encode()

    @property
    def drop_id(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.stored).hexdigest()


def refused(id: str, data: str | bytes, code: str, name: str = "") -> Case:
    """Say that nothing of a drop can be read."""
    return Case(id, data, code, read=0, name=name)


def bad_cell(id: str, reason: str, column: str, cell: str) -> Case:
    """Say that a good row is accepted and the one with this cell beside it is not."""
    return Case(id, beside(**{column: cell}), read=2, bad={2: (f"{reason}: {column}",)})


def good_cell(id: str, column: str, cell: str, value: Any) -> Case:
    """Say that a row with this cell is accepted, and what its value is."""
    return Case(id, H + line(**{column: cell}), cells={column: value})


PACKED = gzip.compress((H + line() * 30).encode(), mtime=0)
TURKISH = "Çağrı Şöğüş İı"
LONG = "y" * (LINE_LIMIT + 1)
MANY = "".join(line(master_id="one", last_order_date=f"2021-01-{d % 28 + 1:02}", **{VALUE: str(d)})
               for d in range(5000))  # fmt: skip

FILES = [
    refused("empty file", b"", "empty_file"),
    refused("blank lines only", "\r\n \n\n", "empty_file"),
    refused("header only", H, "header_only"),
    refused("no header", line() + line(), "no_header"),
    refused("unknown layout", "product;size\nboot;42\n", "unknown_layout"),
    refused("binary rubbish", bytes(range(256)) * 4, "binary_content"),
    refused("xlsx", workbook(), "binary_content"),
    refused("xlsx named csv.gz", workbook() + b"\0", "binary_content", "book.csv.gz"),
    refused("truncated gzip", PACKED[: len(PACKED) // 2], "truncated_gzip", "cut.csv.gz"),
    refused("damaged gzip", PACKED[:-8] + b"abcd" + PACKED[-4:], "damaged_gzip", "torn.csv.gz"),
    refused("double gzip", gzip.compress(PACKED), "binary_content", "twice.csv.gz"),
    refused("UTF-32", (H + line()).encode("utf-32"), "undecodable_text"),
    refused("duplicate header", H[:-1] + ",Order Channel\n" + line(), "duplicate_header"),
    refused("missing required column", H.replace(",order_channel", "") + line(), "missing_columns"),
    refused("ten thousand columns", ",".join(f"c{n}" for n in range(10_000)), "too_many_columns"),
    refused("one long line", "x" * (LINE_LIMIT * 2), "line_too_long"),
    refused("header and first row on one line", "master_id,order_channel" +
            "3ee2c4b6-19f0-11eb-8000-0200f10f10f1," * 2, "data_in_header"),
    Case("gzip", gzip.compress((H + line()).encode()), name="packed.csv.gz"),
    Case("gzip without a .gz name", gzip.compress((H + line()).encode()), note="file is gzip"),
    Case("plain text named .gz", H + line(), name="plain.csv.gz", note="is no gzip"),
    Case("UTF-16 LE with mark", b"\xff\xfe" + (H + line()).encode("utf-16-le"),
         found={"encoding": "utf-16-le"}),
    Case("UTF-16 BE with mark", b"\xfe\xff" + (H + line()).encode("utf-16-be"),
         found={"encoding": "utf-16-be"}),
    Case("UTF-16 LE without mark", (H + line()).encode("utf-16-le"),
         found={"encoding": "utf-16-le"}),
    Case("UTF-16 BE without mark", (H + line()).encode("utf-16-be"),
         found={"encoding": "utf-16-be"}),
    Case("Windows-1254", (H + line(order_channel=TURKISH)).encode("cp1254"),
         cells={"order_channel": TURKISH}, found={"encoding": "windows-1254"}),
    Case("mixed encodings", (H + line(order_channel=TURKISH)).encode() +
         line(order_channel=TURKISH).encode("cp1254"), read=2, bad={2: ("undecodable_text",)},
         found={"encoding": "utf-8"}),
    Case("byte order mark", b"\xef\xbb\xbf" + (H + line()).encode(), note="byte order mark"),
    Case("emoji", H + line(order_channel="👟 App 🛍️"), cells={"order_channel": "👟 App 🛍️"}),
    Case("right-to-left text", H + line(order_channel="متجر \u202bשלום\u202c"),
         cells={"order_channel": "متجر \u202bשלום\u202c"}),
    Case("NUL bytes", beside(order_channel="a\0b"), read=2, bad={2: ("undecodable_text",)}),
]  # fmt: skip

LINES = [
    Case("lone CR", (H + line() + line()).replace("\n", "\r"), read=2),
    Case("CRLF", (H + line() + line()).replace("\n", "\r\n"), read=2,
         cells={VALUE: Decimal("812.45")}),
    Case("no final newline", (H + line())[:-1], cells={VALUE: Decimal("812.45")}),
    Case("blank lines", "\n" + H + "\n" + line() + "  \n" + line(), read=2, note="3 blank lines"),
    Case("trailing delimiters", H[:-1] + ",,\n" + line()[:-1] + ",,\n"),
    Case("trailing delimiters in the rows only", H + (line()[:-1] + ",\n") + (line()[:-1] + ",\n"),
         read=2, note="1 empty fields after the last column"),
    Case("quoted delimiter and newline", H + line(order_channel='"a, b\nc"') + line(), read=2,
         cells={"order_channel": "a, b\nc"}, note="1 records have line breaks"),
    Case("unclosed quote", H + line(order_channel='"a') + line() + line(), read=3,
         bad={1: ("unclosed_quote",)}),
    Case("doubled quotes", H + line(order_channel='"say ""a, b"""'),
         cells={"order_channel": 'say "a, b"'}),
    Case("short and long rows", H + line() + "a,b\n" + line() + line()[:-1] + ",x\n", read=4,
         bad={2: ("wrong_field_count",), 4: ("wrong_field_count",)}),
    Case("a very long line", H + line() + LONG + "\n", read=2, bad={2: ("record_too_long",)}),
    Case("semicolons", under(";", {}), found={"delimiter": ";"}),
    Case("bars", under("|", {}), found={"delimiter": "|"}),
    Case("tabs", under("\t", {}), found={"delimiter": "\t"}),
    Case("header order", ",".join(NAMES[::-1]) + "\n" + ",".join(line()[:-1].split(",")[::-1]),
         cells={"order_channel": "Mobile", "last_order_channel": "Offline"}),
    Case("header in capitals with spaces", H.upper().replace("_", " ") + line(),
         cells={"order_channel": "Mobile"}),
    Case("header in Turkish capitals", H.upper().replace("I", "İ") + line(),
         cells={"order_channel": "Mobile"}),
    Case("aliases", extra("offline_product_group_name_12", "BOT"),
         cells={"offline_product_group": "BOT"}, note="is read as offline_product_group"),
    Case("missing optional columns", H + line(), cells={"interested_in_categories_12": None,
         "present": sorted(NAMES)}),
    Case("unknown column", extra("City", "İzmir"), cells={"rescued": {"City": "İzmir"}},
         note="kept as rescued: 'City'"),
    Case("unnamed index column", "," + H + "0," + line(), note="index column is ignored",
         cells={"order_channel": "Mobile", "rescued": None}),
    Case("formula cells", H + line(order_channel="=cmd|'/C x'!A0", last_order_channel="@SUM(A1)"),
         cells={"order_channel": "=cmd|'/C x'!A0", "last_order_channel": "@SUM(A1)"}),
    Case("categories missing", extra("interested_in_categories_12", ""),
         cells={"interested_in_categories_12": None}),
    Case("categories empty", extra("interested_in_categories_12", "[]"),
         cells={"interested_in_categories_12": []}),
    Case("categories quoted one by one", extra("interested_in_categories_12", "\"['A', 'B C']\""),
         cells={"interested_in_categories_12": ["A", "B C"]}),
]  # fmt: skip

NUMBERS = [
    Case("1.234,56", money("1.234,56", "0,5"), read=2, cells={VALUE: Decimal("1234.56")},
         found={"decimal_mark": f"{VALUE}=,; rest=."}),
    Case("1,234.56", money("1,234.56"), cells={VALUE: Decimal("1234.56")}),
    refused("ambiguous thousands", money("1.234", "5"), "ambiguous_thousands"),
    Case("thousands by the contract", money("1.234", "12.000"), read=2, name="crm_1.csv",
         cells={VALUE: Decimal("1234.00")}, note="as the contract says of this supplier"),
    Case("ambiguous thousands settled by another row", money("1.234", "9,5"), read=2,
         cells={VALUE: Decimal("1234.00")}),
    Case("a group of four digits is none", money("1.2345,5", "1,5"), read=2,
         bad={1: (f"not_a_number: {VALUE}",)}),
    good_cell("exponent", VALUE, "1.5E+03", Decimal("1500.00")),
    good_cell("count as 4.0", ORDERS, "4.0", 4),
    good_cell("surplus zeros", VALUE, "2.5000", Decimal("2.50")),
    good_cell("minus nothing", ORDERS, "-0", 0),
    good_cell("missing number", VALUE, "", None),
    good_cell("the largest count", ORDERS, "1000000000", 10**9),
    bad_cell("count as 4.5", "fractional", ORDERS, "4.5"),
    bad_cell("fraction beyond any precision", "fractional", ORDERS, "4." + "0" * 30 + "1"),
    bad_cell("exponent beyond any precision", "too_many_decimals", VALUE, "1e-30"),
    bad_cell("negative", "negative", ORDERS, "-1"),
    bad_cell("negative cents", "negative", VALUE, "-0.01"),
    bad_cell("count out of range", "out_of_range", ORDERS, "1000000001"),
    bad_cell("overflow", "out_of_range", VALUE, "9" * 40),
    bad_cell("overflow by exponent", "out_of_range", ORDERS, "1e300"),
    Case("words that stand for nothing", H + "".join(
             line(**{VALUE: word}) for word in ("NULL", "null", "\\N", "NaN", "n/a")), read=5,
         cells={VALUE: None}, note="how often: NULL (2), \\N (1), NaN (1), N/A (1)"),
    Case("such a word is no date, no text, no id", H + line(first_order_date="NaT") +
             line(order_channel="None") + line(master_id="NULL") + line(), read=4,
         bad={3: ("blank_master_id",)}, cells={"first_order_date": None}),
    bad_cell("Infinity", "not_a_number", VALUE, "Infinity"),
    bad_cell("a currency sign", "not_a_number", VALUE, "₺12.50"),
    bad_cell("a currency code", "not_a_number", VALUE, "12.50 TL"),
    bad_cell("digits of another script", "not_a_number", ORDERS, "٤"),
    bad_cell("too many decimals", "too_many_decimals", VALUE, "1.005"),
]  # fmt: skip

FEBRUARY = {"last_order_date": date(2021, 2, 26)}
DATES = [
    Case("yyyy-MM-dd", day("2021-02-26"), cells=FEBRUARY, found={"date_format": "yyyy-MM-dd"}),
    Case("dd/MM/yyyy", day("26/02/2021"), cells=FEBRUARY, found={"date_format": "dd/MM/yyyy"}),
    Case("dd.MM.yyyy", day("26.02.2021"), cells=FEBRUARY, found={"date_format": "dd.MM.yyyy"}),
    Case("dd/MM/yy", day("26/02/21"), cells=FEBRUARY, found={"date_format": "dd/MM/yy"}),
    Case("MM/dd/yyyy", day("02/26/2021"), cells=FEBRUARY, found={"date_format": "MM/dd/yyyy"}),
    Case("ambiguous day and month", day("03/02/2021"), note="as the contract prefers",
         cells={"last_order_date": date(2021, 2, 3)}),
    Case("ISO with offset", day("2021-02-26T21:07:02.005+03:00"),
         cells=FEBRUARY | {"last_order_at": "2021-02-26 18:07:02.005"}),
    Case("a date is its day's start in Istanbul", day("2021-02-26"),
         cells={"last_order_at": "2021-02-25 21:00:00"}),
    Case("across midnight in Istanbul", day("2021-02-25T21:30:00Z"), cells=FEBRUARY),
    Case("winter before 2016", day("2016-01-15T21:30:00Z"),
         cells={"last_order_date": date(2016, 1, 15)}),
    Case("summer before 2016", day("2015-07-15T21:30:00Z"),
         cells={"last_order_date": date(2015, 7, 16)}),
    Case("31/02", day("26/02/2021", "31/02/2021"), read=2,
         bad={2: ("not_a_date: last_order_date",)}),
    Case("the day on which the drop is seen, later than in London",
         day("2021-06-30T23:59:59.999+03:00"), cells={"last_order_date": date(2021, 6, 30)}),
    Case("the day after", day("2021-06-29", "2021-06-30T21:00:00Z"), read=2,
         bad={2: ("future_date: last_order_date",)}),
    Case("no last_order_date", beside(last_order_date=""), read=2,
         bad={2: ("no_last_order_date",)}),
    bad_cell("a time that is none", "not_a_date", "last_order_date", "2021-02-26T25:00:00"),
    bad_cell("the zero of MySQL", "not_a_date", "first_order_date", "0000-00-00"),
    bad_cell("the year nought", "not_a_date", "first_order_date", "0000-01-01"),
    bad_cell("the smallest date of .NET", "not_a_date", "last_order_date", "0001-01-01T00:00:00"),
    bad_cell("the largest date", "future_date", "first_order_date", "9999-12-31"),
    bad_cell("a serial number of Excel", "not_a_date", "first_order_date", "44253"),
    Case("the first day that is believed", day("1900-01-01"), cells={
        "last_order_date": date(1900, 1, 1), "last_order_at": "1899-12-31 22:03:04"}),
    bad_cell("the day before it", "not_a_date", "last_order_date", "1899-12-31"),
    Case("first after last", H + line(first_order_date="2021-03-01"),
         cells={"warnings": ["first_after_last"]}),
    Case("last is not the latest", H + line(last_order_date="2021-02-27"),
         cells={"warnings": ["last_is_not_latest"]}),
    Case("business day differs", extra("last_order_date_new", "2021-02-25"),
         cells={"warnings": ["business_day_differs"]}),
    Case("business day is the same", extra("last_order_date_new", "26.02.2021"),
         cells={"warnings": []}),
]  # fmt: skip

CUSTOMERS = [
    Case("blank master_id", beside(master_id=""), read=2, bad={2: ("blank_master_id",)}),
    Case("master_id of spaces", beside(master_id=" \xa0 "), read=2, bad={2: ("blank_master_id",)}),
    good_cell("master_id of 128 characters", "master_id", "ş" * 128, "ş" * 128),
    Case("master_id of 129 characters", beside(master_id="x" * 129), read=2,
         bad={2: ("master_id_too_long",)}),
    good_cell("master_id with outer blanks", "master_id", "  padded  ", "padded"),
    good_cell("an id between what nobody sees", "master_id", "\u200b\u2060 seen\u00a0\x1f", "seen"),
    Case("an id with a zero-width space in it", beside(master_id="a\u200bb"), read=2,
         bad={2: ("invisible_characters",)}),
    Case("a row of totals", H + line() + line(
             master_id="TOPLAM", order_channel="", last_order_channel=""), read=2,
         bad={2: ("no_channel",)}),
    Case("rows of nothing but delimiters", H + line() + "," * 10 + '\n,"", \n',
         note="2 blank lines skipped"),
    Case("several reasons", beside(master_id="", **{VALUE: "abc", ORDERS: "-4.5"}), read=2, bad={
        2: ("blank_master_id", f"fractional: {ORDERS}", f"negative: {ORDERS}",
            f"not_a_number: {VALUE}")}),
    Case("bad rows exactly at the share", H + line() + line(master_id="") + line() + "a,b\n",
         read=4, bad={2: ("blank_master_id",), 4: ("wrong_field_count",)}),
    Case("bad rows just above the share", H + line() + line(master_id="") + "a,b\n",
         "too_many_bad_rows", read=3, bad={
             1: ("drop_refused",), 2: ("blank_master_id", "drop_refused"),
             3: ("drop_refused", "wrong_field_count")}),
    Case("mostly words in a number", H + line() + line(**{ORDERS: "UNKNOWN"}) * 3 +
         line(order_channel="x"), "too_many_bad_rows", read=5, bad={
             1: ("drop_refused",), 5: ("drop_refused",),
             **dict.fromkeys((2, 3, 4), ("drop_refused", f"not_a_number: {ORDERS}"))}),
    Case("very many rows of one customer", H + MANY, read=5000, superseded=4999),
    Case("whole-row duplicates", H + line(master_id="twice") * 2, read=2, superseded=1),
    Case("the good drop after them", H + line(master_id="good") + line(), read=2),
]  # fmt: skip

CASES = FILES + LINES + NUMBERS + DATES + CUSTOMERS
FILE_NAMES = (
    "UPPER.CSV", "PACKED.CSV.GZ", "with space.csv", "100%25 %zz.csv", "a#b.csv", "a+b&c=d.csv",
    "ürün çıktısı 靴 👟.csv", "~tilde~1.csv", "semi;colon,comma.csv", "[x]{a,b}*?.csv",
    "back\\slash.csv", "'quote\" .csv", "two.dots.csv.csv", "a%2Fb.csv", "two\nlines.csv",
    "a~20260101000000000000.csv", " leading.csv", "x=1.csv",
)  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """What the tables say after the batch, by ``drop_id``."""

    accounts: Mapping[str, Mapping[str, Any]]
    bad: Mapping[str, Mapping[int, tuple[str, ...]]]
    accepted: Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def taken(new_lake: Callable[[], DropLake]) -> Taken:
    """Take all cases in as one batch, in a night of June 2021."""
    lake = new_lake()

    def tell_by_night(*arguments: Any) -> FileInfo:
        return replace(tell_in_hand(*arguments), modified_ms=NIGHT)

    lake.settings = lake.settings.model_copy(update={"max_line_bytes": LINE_LIMIT})
    supplier = Supplier(files="crm_*.csv", thousands="always")
    lake.contract = lake.contract.model_copy(update={"suppliers": (supplier,)})
    for at, case in enumerate(CASES):
        lake.put(case.name or f"{at}.csv", case.stored, modified_ms=MADE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streaming.processor.tell_in_hand", tell_by_night)
        lake.take()
    assert lake.files.list(lake.settings.landing) == []
    assert lake.table(FEATURES).where("master_id = 'good'").count() == 1
    bad: dict[str, dict[int, tuple[str, ...]]] = {}
    for drop_id, row_no, reasons in lake.rows(QUARANTINE, "drop_id", "row_no", "reasons"):
        bad.setdefault(drop_id, {})[row_no] = tuple(sorted(reasons))
    accepted: dict[str, list[dict[str, Any]]] = {}
    snapshots = lake.table(SNAPSHOTS).withColumn(
        "last_order_at", F.col("last_order_at").cast("string")
    )
    for row in snapshots.orderBy("row_no").drop("drop_time").collect():
        accepted.setdefault(row["drop_id"], []).append(row.asDict())
    return Taken({each["drop_id"]: each for each in lake.ledger()}, bad, accepted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_nasty_drop_ends_as_it_must(case: Case, taken: Taken) -> None:
    """State, reason, counts, quarantine and values of one named input are as they must be."""
    account = taken.accounts[case.drop_id]
    assert account["state"] == ("rejected" if case.refused else "ingested"), account["reason"]
    assert (account["reason"] or "").partition(":")[0] == case.refused
    counts = tuple(account[f"rows_{name}"] for name in ("read", "accepted", "quarantined"))
    assert counts == (case.read, case.read - len(case.bad), len(case.bad))
    assert account["rows_superseded"] == case.superseded
    assert taken.bad.get(case.drop_id, {}) == case.bad
    accepted = taken.accepted.get(case.drop_id, [])
    assert len(accepted) == case.read - len(case.bad)
    assert {name: accepted[0][name] for name in case.cells} == case.cells
    assert {name: account[name] for name in case.found} == case.found
    assert any(case.note in each for each in account["notes"]) or not case.note


def test_a_refused_drop_says_what_most_of_its_rows_have(taken: Taken) -> None:
    """The main reason, in how many rows, and where the first of them is."""
    case = next(each for each in CASES if each.id == "mostly words in a number")
    assert taken.accounts[case.drop_id]["reason"] == (
        "too_many_bad_rows: 3 of 5 rows were not accepted, more than the contract's 50%; "
        f"3 of them: not_a_number, such as row 2, column {ORDERS}: the word UNKNOWN"
    )


def test_there_are_at_least_sixty_of_them() -> None:
    """Each has a name of its own, and no two are the same bytes."""
    assert len({case.id for case in CASES}) == len(CASES) >= 60
    assert len({case.drop_id for case in CASES}) == len(CASES)


def test_a_refusal_is_a_sentence_for_the_supplier(taken: Taken) -> None:
    """Each refused drop has a code, and a sentence that holds none of its cells."""
    reasons = [each["reason"] for each in taken.accounts.values() if each["state"] == "rejected"]
    assert len(reasons) == sum(bool(case.refused) for case in CASES)
    for reason in reasons:
        assert len(reason.partition(": ")[2]) > 20, reason
        assert "customer-" not in reason


def test_a_name_is_only_a_name(lake: DropLake) -> None:
    """Whatever a file is called, the stream itself finds it, and the archive keeps its name."""
    for name in FILE_NAMES:
        content = (H + line()).encode()
        lake.put(name, gzip.compress(content) if name.endswith("GZ") else content)
    stream = Supervisor(lake.spark, lake.settings, lake.contract, once=True)
    assert stream.run() == 0
    accounts = {each["path"].rsplit("/", 1)[-1]: each for each in lake.ledger()}
    assert {name: each["state"] for name, each in accounts.items()} == dict.fromkeys(
        FILE_NAMES, "ingested"
    )
    for name, account in accounts.items():
        assert account["archived_path"].endswith(f"/{name}")
        assert lake.files.exists(account["archived_path"])
    assert lake.files.list(lake.settings.landing) == []


def test_a_line_of_two_hundred_megabytes_is_one_bad_row(lake: DropLake) -> None:
    """It is not held in memory, and the rows before and after it are accepted."""
    content = b"".join([(H + line()).encode(), b"y" * 200_000_000, f"\n{line()}".encode()])
    lake.put("long.csv", content)
    [account] = lake.take()
    assert (account["rows_accepted"], account["rows_quarantined"]) == (2, 1)
    [(reasons, length)] = lake.table(QUARANTINE).select("reasons", F.length("raw")).collect()
    assert reasons == ["record_too_long"]
    assert length <= 1 << 16
