"""Named nasty inputs, each with what must become of it."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lake.contract import Supplier, Unreadable

ID = "0f1e2d3c-19f0-11eb-8000-0200f10f10f1"
COLUMNS = (
    "master_id,order_channel,last_order_channel,first_order_date,last_order_date,"
    "last_order_date_online,last_order_date_offline,order_num_total_ever_online,"
    "order_num_total_ever_offline,customer_value_total_ever_offline,"
    "customer_value_total_ever_online"
)
CELLS = [
    ID, "Mobile", "Offline", "2020-09-15", "2021-03-18", "2021-03-11", "2021-03-18",
    "4.0", "1.0", "154.90", "812.45",
]  # fmt: skip
H = COLUMNS + "\n"
R = ",".join(CELLS) + "\n"
NAMES = COLUMNS.split(",")


def row(delimiter: str = ",", **cells: str) -> str:
    """Write the usual row with other cells."""
    return delimiter.join(cells.get(n, c) for n, c in zip(NAMES, CELLS, strict=True)) + "\n"


def money(*values: str) -> str:
    """Write a whole drop with these values in one money column."""
    head = H.replace(",", ";")
    return head + "".join(row(";", customer_value_total_ever_online=v) for v in values)


def dates(*values: str) -> str:
    """Write a whole drop with these dates in one column, the others empty."""
    empty = {"first_order_date": "", "last_order_date_online": "", "last_order_date_offline": ""}
    return H + "".join(row(**empty, last_order_date=v) for v in values)


@dataclass(frozen=True)
class Case:
    """One input and what is expected of it; what is None or empty is not looked at."""

    id: str
    data: str | bytes
    code: str = ""
    problems: tuple[str, ...] = ("",)
    name: str = "drop.csv"
    encoding: str | None = None
    delimiter: str | None = None
    order: str | None = None
    mark: str | None = None
    date_format: str | None = None
    note: str | None = None
    quiet: bool = False
    cells: dict[str, Any] = field(default_factory=dict)
    rescued: dict[str, str] | None = None
    raw: str | None = None

    @property
    def stored(self) -> bytes:
        """The bytes of the drop."""
        return self.data if isinstance(self.data, bytes) else self.data.encode()


GZIPPED = gzip.compress((H + R).encode(), mtime=0)
LONG = "x" * 5000

WHOLE_DROP = [
    Case("no byte at all", b"", "empty_file"),
    Case("blank lines only", "\n\r\n  \n", "empty_file"),
    Case("byte order mark only", b"\xef\xbb\xbf", "empty_file"),
    Case("UTF-16 mark only", b"\xff\xfe", "empty_file"),
    Case("gzip of nothing", gzip.compress(b""), "empty_file", name="d.csv.gz"),
    Case("header only", H, "header_only"),
    Case("header without line end", COLUMNS, "header_only"),
    Case("header and blank lines", H + "\n\n", "header_only"),
    Case("data without header", R + R, "no_header"),
    Case("semicolon data without header", R.replace(",", ";"), "no_header"),
    Case("another table", "product,size,colour\nboot,42,black\n", "unknown_layout"),
    Case("prose", "Dear colleague,\nplease find the file.\n", "unknown_layout"),
    Case("an HTML page", "<html><body>login</body></html>\n", "unknown_layout"),
    Case("header with an unclosed quote", '"' + H + R, "unknown_layout"),
    Case("space as delimiter", (H + R).replace(",", " "), "unknown_layout"),
    Case("one required column missing", H.replace(",order_channel", "") + R, "missing_columns"),
    Case("only the id", "master_id\nabc\n", "missing_columns"),
    Case("the same column twice", H.replace("order_channel", "master_id", 1) + R,
         "duplicate_header"),
    Case("a column and its alias",
         H[:-1] + ",online_product_group,online_product_group_amount_top_name_12\n" + R,
         "duplicate_header"),
    Case("an unknown column twice", H[:-1] + ",City,city\n" + R, "duplicate_header"),
    Case("a header longer than any line", ",".join(f"c{n}" for n in range(10_000)) + "\n",
         "line_too_long"),
    Case("too many unknown columns", "a," * 1001 + "a\n", "too_many_columns"),
    Case("too many nameless columns", H[:-1] + "," * 1001 + "\n" + R, "too_many_columns"),
    Case("a workbook", b"PK\x03\x04" + bytes(100), "binary_content"),
    Case("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "binary_content"),
    Case("a Parquet file", b"PAR1" + bytes(range(256)), "binary_content"),
    Case("a zstd file", b"\x28\xb5\x2f\xfd" + bytes(range(256)), "binary_content"),
    Case("rubbish with line ends", bytes(range(256)) * 4, "binary_content"),
    Case("zeros", bytes(2000), "binary_content"),
    Case("many zeros", bytes(20_000), "binary_content"),
    Case("zeros in gzip", gzip.compress(bytes(1 << 20)), "binary_content", name="d.csv.gz"),
    Case("UTF-32", (H + R).encode("utf-32"), "undecodable_text"),
    Case("gzip cut in its data", GZIPPED[:60], "truncated_gzip", name="d.csv.gz"),
    Case("gzip cut in its checksum", GZIPPED[:-3], "truncated_gzip", name="d.csv.gz"),
    Case("gzip cut in its header", GZIPPED[:5], "truncated_gzip", name="d.csv.gz"),
    Case("second gzip member cut", GZIPPED + GZIPPED[:40], "truncated_gzip", name="d.csv.gz"),
    Case("gzip with a wrong checksum", GZIPPED[:-8] + b"abcd" + GZIPPED[-4:], "damaged_gzip",
         name="d.csv.gz"),
    Case("gzip with a changed byte", GZIPPED[:14] + b"\xff\xff\xff" + GZIPPED[17:],
         "damaged_gzip", name="d.csv.gz"),
    Case("text after gzip", GZIPPED + b"and more", "damaged_gzip", name="d.csv.gz"),
    Case("gzip in gzip", gzip.compress(GZIPPED), "binary_content", name="d.csv.gz"),
    Case("one long line", "x" * 100_000, "line_too_long"),
    Case("one long line in gzip", gzip.compress(b"x" * 1_000_000), "line_too_long"),
    Case("one long line in UTF-16", ("x" * 100_000).encode("utf-16"), "line_too_long"),
    Case("long header", H[:-1] + "," + LONG + "\n" + R, "line_too_long"),
    Case("long first record", H + row(order_channel=LONG), "line_too_long"),
    Case("thousands or thousandths, by points", money("1.234", "9.876", "5"),
         "ambiguous_thousands"),
    Case("thousands or thousandths, by commas", money("1,234"), "ambiguous_thousands"),
    Case("counts of thousands", H + row(order_num_total_ever_online="1.000"),
         "ambiguous_thousands"),
    Case("long first record after a blank line", H + "\n" + row(order_channel=LONG),
         "line_too_long"),
]  # fmt: skip

ROWS = [
    Case("plain", H + R, quiet=True, delimiter=",", encoding="utf-8", date_format="yyyy-MM-dd",
         raw=R[:-1]),
    Case("no final line end", H + R[:-1], quiet=True),
    Case("CRLF", (H + R + R).replace("\n", "\r\n"), problems=("", ""), quiet=True, raw=R[:-1]),
    Case("lone CR", (H + R + R).replace("\n", "\r"), problems=("", ""), quiet=True, raw=R[:-1]),
    Case("mixed line ends", H + R[:-1] + "\r\n" + R[:-1] + "\r" + R, problems=("",) * 3),
    Case("blank lines between", "\n" + H + "\n" + R + "\n  \n" + R, problems=("", ""),
         note="4 blank lines skipped"),
    Case("Ctrl-Z at the end", H + R + "\x1a", quiet=True),
    Case("Ctrl-Z after the last cell", H + R[:-1] + "\x1a",
         cells={"customer_value_total_ever_online": Decimal("812.45")}),
    Case("semicolons", (H + R).replace(",", ";"), delimiter=";"),
    Case("bars", (H + R).replace(",", "|"), delimiter="|"),
    Case("tabs", (H + R).replace(",", "\t"), delimiter="\t"),
    Case("tabs with an empty last cell",
         (H + row(customer_value_total_ever_online="")).replace(",", "\t"),
         cells={"customer_value_total_ever_online": None}),
    Case("other delimiters in the cells", (H + row(order_channel="a;b|c;d")), delimiter=",",
         cells={"order_channel": "a;b|c;d"}),
    Case("list with commas under bars",
         (H[:-1] + ",interested_in_categories_12\n" + R[:-1]).replace(",", "|")
         + "|[ERKEK, COCUK]\n", cells={"interested_in_categories_12": ["ERKEK", "COCUK"]}),
    Case("list with commas under commas",
         H[:-1] + ",interested_in_categories_12\n" + R[:-1] + ",[ERKEK, COCUK]\n",
         problems=("wrong_field_count",)),
    Case("columns in another order", ",".join(NAMES[::-1]) + "\n" + ",".join(CELLS[::-1]) + "\n",
         cells={"master_id": ID, "last_order_channel": "Offline"}),
    Case("header in capitals and quotes",
         ",".join(f'" {n.upper()} "' for n in NAMES) + "\n" + R, quiet=True),
    Case("header with blanks for underscores", H.replace("_", " ") + R),
    Case("header in Turkish capitals", H.upper().replace("I", "İ") + R),
    Case("alias", H[:-1] + ",offline_product_group_name_12\n" + R[:-1] + ",BOT\n",
         cells={"offline_product_group": "BOT"}, note="is read as offline_product_group"),
    Case("unknown column", H[:-1] + ",City\n" + R[:-1] + ",İzmir\n", rescued={"City": "İzmir"},
         note="'City'"),
    Case("unknown column without a value", H[:-1] + ",City\n" + R[:-1] + ",\n", rescued={}),
    Case("leading index column", "," + H + "0," + R, note="index column is ignored", rescued={},
         cells={"master_id": ID}),
    Case("leading index column of pandas", "Unnamed: 0," + H + "0," + R, rescued={},
         note="index column is ignored"),
    Case("named first column is no index", "index," + H + "7," + R, rescued={"index": "7"}),
    Case("first column named column_1", "column_1," + H + "7," + R, rescued={"column_1": "7"}),
    Case("unnamed column with values", H[:-1] + ",,City\n" + R[:-1] + ",x,y\n",
         rescued={"column_12": "x", "City": "y"}),
    Case("delimiter at the end of all lines", H[:-1] + ",\n" + R[:-1] + ",\n", rescued={}),
    Case("delimiter at the end of the header only", H[:-1] + ",\n" + R),
    Case("delimiter at the end of all rows", H + R[:-1] + ",\n" + R[:-1] + ",\n",
         problems=("", ""), note="1 empty fields after the last column"),
    Case("delimiter at the end of one row", H + R + R[:-1] + ",\n" + R,
         problems=("", "wrong_field_count", "")),
    Case("a value beyond trailing delimiters",
         H + R[:-1] + ",\n" + R[:-1] + ",\n" + R[:-1] + ",x\n" + R[:-1] + ",\n",
         problems=("", "", "wrong_field_count", "")),
    Case("the hint of a spreadsheet", "sep=;\n" + (H + R).replace(",", ";"), delimiter=";",
         note="sep="),
    Case("short row", H + R + "abc,def\n" + R, problems=("", "wrong_field_count", "")),
    Case("long row", H + R + R[:-1] + ",x\n", problems=("", "wrong_field_count")),
    Case("delimiters only", H + R + "," * 10 + "\n" + R, problems=("", ""),
         note="1 blank lines skipped"),
    Case("delimiters only, fewer and more than there are columns",
         H + R + ",,,\n" + "," * 20 + "\n , ,\"\",\n" * 9 + R, problems=("", ""),
         note="19 blank lines skipped"),
    Case("quoted delimiter", H + row(order_channel='"a,b"'), cells={"order_channel": "a,b"}),
    Case("quoted line break", H + row(order_channel='"a\r\nb"') + R, problems=("", ""),
         cells={"order_channel": "a\r\nb"}, note="1 records have line breaks within quotes"),
    Case("quoted cell whose last line has the width of a row",
         H + row(order_channel='"a\nfloor 2, door 3"') + R, problems=("", ""),
         cells={"order_channel": "a\nfloor 2, door 3"}),
    Case("doubled quotes", H + row(order_channel='"say ""a, b"""'),
         cells={"order_channel": 'say "a, b"'}),
    Case("quoted nothing", H + row(order_channel='""'), cells={"order_channel": None}),
    Case("blanks around quotes", H + row(order_channel=' "a,b" '), cells={"order_channel": "a,b"}),
    Case("quote within a field", H + row(order_channel='5" boots'),
         cells={"order_channel": '5" boots'}),
    Case("outer blanks and no-break spaces", H + row(order_channel=" \xa0\tMobile\u3000 "),
         cells={"order_channel": "Mobile"}),
    Case("blanks only", H + row(order_channel="  \xa0 "), cells={"order_channel": None}),
    Case("text after a closing quote", H + row(order_channel='"a"b') + R,
         problems=("unclosed_quote", "")),
    Case("quote never closed", H + R + row(order_channel='"a') + R + R,
         problems=("", "unclosed_quote", "", "")),
    Case("quote closed by the next quoted cell",
         H + row(order_channel='"a') + row(order_channel='"b,c"') + R,
         problems=("unclosed_quote", "", "")),
    Case("quote closed in another row", H + row(order_channel='"a') + R + row(order_channel='b"'),
         problems=("unclosed_quote", "", "")),
    Case("quote open at the very end", H + R + '"', problems=("", "unclosed_quote")),
    Case("quote open over two thousand lines", H + R + '"\n' + "a\n" * 2000 + R,
         problems=("", "unclosed_quote", *["wrong_field_count"] * 2000, "")),
    Case("quoted line break in a row of the wrong width", H + R + '"a\nb",c\n' + R,
         problems=("", "wrong_field_count", "")),
    Case("long record", H + R + row(order_channel=LONG) + R, problems=("", "record_too_long", "")),
    Case("long last record", H + R + LONG, problems=("", "record_too_long")),
    Case("long records in CRLF", (H + R + (LONG + "\n") * 2 + R).replace("\n", "\r\n"),
         problems=("", "record_too_long", "record_too_long", "")),
    Case("long record within open quotes", H + R + '"a\n' + LONG + "\n" + R,
         problems=("", "unclosed_quote", "record_too_long", "")),
    Case("long quoted record", H + R + row(order_channel='"' + "abc\n" * 1300 + '"') + R,
         problems=("", "unclosed_quote", *["wrong_field_count"] * 1299, "unclosed_quote", "")),
]  # fmt: skip

ENCODINGS = [
    Case("Turkish UTF-8", H + row(order_channel="Çağrı Şöğüş"), encoding="utf-8", quiet=True,
         cells={"order_channel": "Çağrı Şöğüş"}),
    Case("UTF-8 with mark", b"\xef\xbb\xbf" + (H + R).encode(), encoding="utf-8",
         note="byte order mark"),
    Case("UTF-16 little-endian", b"\xff\xfe" + (H + R).encode("utf-16-le"),
         encoding="utf-16-le", raw=R[:-1]),
    Case("UTF-16 big-endian", b"\xfe\xff" + (H + R).encode("utf-16-be"), encoding="utf-16-be"),
    Case("UTF-16 without mark", (H + R).encode("utf-16-le"), encoding="utf-16-le"),
    Case("big-endian UTF-16 without mark", (H + R).encode("utf-16-be"), encoding="utf-16-be"),
    Case("UTF-16 with half a character", (H + R + R).encode("utf-16-le")[:-3],
         problems=("", "undecodable_text")),
    Case("UTF-16 with half a pair", (H + R).encode("utf-16-le") + b"\x00\xd8" +
         R.encode("utf-16-le"), problems=("", "undecodable_text")),
    Case("Windows-1254", (H + row(order_channel="Çağrı Şöğüş İI")).encode("cp1254"),
         encoding="windows-1254", note="Windows-1254", cells={"order_channel": "Çağrı Şöğüş İI"}),
    Case("Windows-1254 with one Turkish letter", (H + R + row(order_channel="Mağaza"))
         .encode("cp1254"), encoding="windows-1254", problems=("", "")),
    Case("Windows-1254 with a Turkish letter as the last byte",
         (H + row(customer_value_total_ever_online="Ç")[:-1]).encode("cp1254"),
         encoding="windows-1254",
         cells={"reasons": ["not_a_number: customer_value_total_ever_online"]}),
    Case("Windows-1254 with an undefined byte",
         (H + row(order_channel="Çağrı") * 9).encode("cp1254") + b"\x81" + R.encode(),
         encoding="windows-1254", problems=("",) * 9 + ("undecodable_text",)),
    Case("bad byte in UTF-8", (H + row(order_channel="Çağrı") * 3).encode() + b"\xff" + R.encode(),
         encoding="utf-8", problems=("", "", "", "undecodable_text")),
    Case("bad byte in ASCII", (H + R).encode() + b"\xff" + R.encode() + R.encode(),
         encoding="utf-8", problems=("", "undecodable_text", "")),
    Case("half a character in ASCII", (H + R).encode() + b"\xf0\x9f" + R.encode(),
         encoding="utf-8", problems=("", "undecodable_text")),
    Case("some Windows-1254 rows in UTF-8",
         (H + row(order_channel="Mağaza") * 3).encode()
         + row(order_channel="Çağrı").encode("cp1254"),
         encoding="utf-8", problems=("", "", "", "undecodable_text")),
    Case("DOS Turkish", (H + R + row(order_channel="müşteri çağrı")).encode("cp857"),
         encoding="utf-8", problems=("", "undecodable_text")),
    Case("NUL in a row", H + R + row(order_channel="a\0b") + R,
         problems=("", "undecodable_text", "")),
    Case("mostly Windows-1254 with one UTF-8 row",
         (H + row(order_channel="Çağrı") * 3).encode("cp1254")
         + row(order_channel="Mağaza").encode(),
         encoding="utf-8", problems=("undecodable_text",) * 3 + ("",)),
    Case("bad byte within quoted lines", (H + R + '"a\n').encode() + b'\xff",b\n' + R.encode(),
         problems=("", "undecodable_text", "")),
    Case("gzip", GZIPPED, name="drop.csv.gz", quiet=True),
    Case("gzip named csv", GZIPPED, note="the file is gzip"),
    Case("text named gz", H + R, name="drop.csv.gz", note="the file is no gzip"),
    Case("gzip of two members", GZIPPED + gzip.compress(R.encode()), name="drop.csv.gz",
         problems=("", ""), quiet=True),
    Case("gzip with padding", GZIPPED + bytes(512), name="drop.csv.gz", quiet=True),
    Case("gzip of UTF-16", gzip.compress((H + R).encode("utf-16")), name="drop.csv.gz",
         encoding="utf-16-le"),
]  # fmt: skip

NOTATION = [
    Case("decimal points", money("12.5", "1,234.56", "-3"), mark=".", quiet=True),
    Case("decimal commas", money("12,5", "7", "1.234,56"), mark=","),
    Case("two thousands marks settle it", money("1.234.567"), mark=","),
    Case("a leading zero is no group", money("0,500"), mark=","),
    Case("groups of other than three digits settle it", money("1234,567"), mark=","),
    Case("one cell settles the others", money("1.234", "9.876", "0,5"), mark=",", quiet=True),
    Case("whole numbers need no mark", money("1", "22"), mark=".", quiet=True),
    Case("both marks: the majority", money("1,5", "2,5", "3.5"), mark=",", note="both decimal"),
    Case("both marks: a tie", money("1,5", "3.5"), mark=".", note="both decimal"),
    Case("exponents", money("1E+05", "1.5e3"), mark=".", quiet=True),
    Case("no numbers at all", money("abc", "1,2,3.4,5"), mark=".", quiet=True),
    Case("year first", dates("2021-03-18"), date_format="yyyy-MM-dd", order="dmy", quiet=True),
    Case("year first with slashes", dates("2021/02/26"), date_format="yyyy/MM/dd", quiet=True),
    Case("day first", dates("01/02/2021", "26/02/2021"), order="dmy", date_format="dd/MM/yyyy",
         quiet=True),
    Case("day first with dots", dates("26.2.2021"), order="dmy", date_format="dd.MM.yyyy"),
    Case("day first with hyphens", dates("26-02-2021"), order="dmy", date_format="dd-MM-yyyy"),
    Case("two-digit years", dates("26/02/21"), order="dmy", date_format="dd/MM/yy"),
    Case("month first", dates("01/02/2021", "02/26/2021"), order="mdy",
         date_format="MM/dd/yyyy", quiet=True),
    Case("ambiguous dates", dates("01/02/2021", "03/04/2021"), order="dmy",
         note="2 dates fit day first and month first"),
    Case("the same either way", dates("05/05/2021"), order="dmy", quiet=True),
    Case("both orders: the majority", dates("02/26/2021", "02/27/2021", "26/02/2021"),
         order="mdy", note="1 do not fit"),
    Case("timestamps with offset", dates("2021-05-05T21:07:02.000+03:00"),
         date_format="yyyy-MM-dd'T'HH:mm:ss.SSSXXX"),
    Case("timestamps in UTC", dates("2021-05-05 21:07:02Z"), date_format="yyyy-MM-dd HH:mm:ssXXX"),
    Case("timestamps with a bare offset", dates("2021-05-05T21:07+0300"),
         date_format="yyyy-MM-dd'T'HH:mmXX"),
    Case("day first with a time", dates("26.02.2021 21:07"), date_format="dd.MM.yyyy HH:mm"),
    Case("two formats in a column", dates("2021-05-05", "2021-05-06", "26/02/2021"),
         date_format="yyyy-MM-dd or dd/MM/yyyy"),
    Case("no dates at all", dates("yesterday", "2021"), date_format="", order="dmy"),
]  # fmt: skip


@pytest.mark.parametrize("case", WHOLE_DROP, ids=lambda case: case.id)
def test_whole_drop_trouble_is_refused_with_a_code(case, decode):
    """A drop that cannot be used at all is refused with a stable code and without its content."""
    outcome = decode(case.stored, case.name)

    assert outcome.code == case.code
    assert outcome.message.endswith(".")
    assert ID not in outcome.message


@pytest.mark.parametrize("case", ROWS + ENCODINGS + NOTATION, ids=lambda case: case.id)
def test_a_nasty_drop_is_read_as_meant(case, decode):
    """Each row is read, or has one problem; what was found and assumed is told once."""
    outcome = decode(case.stored, case.name)

    assert outcome.code == ""
    drop, rows = outcome.drop, outcome.rows
    expected = case.problems if case not in NOTATION else ("",) * len(rows)
    assert tuple(row["problem"] or "" for row in rows) == expected
    assert drop.rows == len(rows)
    for actual, wanted in (
        (drop.encoding, case.encoding),
        (drop.delimiter, case.delimiter),
        (drop.notation.date_order, case.order),
        (drop.notation.decimal_marks["customer_value_total_ever_online"], case.mark),
        (drop.date_format, case.date_format),
        (rows[0]["rescued"] or {}, case.rescued),
        (rows[0]["raw"], case.raw),
    ):
        assert wanted is None or actual == wanted
    assert {name: rows[0][name] for name in case.cells} == case.cells
    assert case.note is None or any(case.note in note for note in drop.notes)
    assert not (case.quiet and drop.notes)
    assert not any(ID in note for note in drop.notes)


def test_case_names_are_unique():
    """Each nasty input has a name of its own, and there are at least sixty."""
    cases = WHOLE_DROP + ROWS + ENCODINGS + NOTATION

    assert len({case.id for case in cases}) == len(cases) >= 60


def test_ten_thousand_columns_are_refused_as_such(decode):
    """A header of ten thousand short columns is refused for their number."""
    header = ",".join(f"c{n}" for n in range(10_000)) + "\n"

    assert decode(header.encode(), limit=1 << 20).code == "too_many_columns"


def test_a_long_record_keeps_its_beginning_only(decode):
    """Of a record that is too long, the first 64 KiB are kept."""
    data = (H + R + "y" * 300_000 + "\n" + R).encode()

    rows = decode(data, limit=1 << 17).rows

    assert rows[1]["raw"] == "y" * 65_536
    assert rows[2]["master_id"] == ID


def test_marks_and_formats_that_differ_are_told_by_column(decode):
    """The ledger names the usual notation once and then the columns that differ."""
    data = money("1,5").replace("2021-03-11", "21.02.2021").encode()

    drop = decode(data).drop

    assert drop.decimal_mark == "customer_value_total_ever_online=,; rest=."
    assert drop.date_format == "yyyy-MM-dd; last_order_date_online=dd.MM.yyyy"


def test_later_cells_overturn_what_was_assumed(decode, monkeypatch):
    """What the end of a drop says of its notation holds for its beginning, too."""
    monkeypatch.setattr("streaming.decode.batches.ROWS", 1)
    first = row(";", customer_value_total_ever_online="1.234", last_order_date_online="03/02/2021")
    last = row(";", customer_value_total_ever_online="0,5", last_order_date_online="02/26/2021")

    rows = decode((H.replace(",", ";") + first * 3 + last).encode()).rows

    assert [each["customer_value_total_ever_online"] for each in rows] == [
        *[Decimal("1234.00")] * 3, Decimal("0.50"),
    ]  # fmt: skip
    assert [each["last_order_date_online"] for each in rows] == [
        *[date(2021, 3, 2)] * 3, date(2021, 2, 26),
    ]  # fmt: skip


@pytest.mark.parametrize(("thousands", "value"), [("always", "1234.00"), ("never", None)])
def test_a_supplier_may_settle_what_a_mark_stands_for(decode, contract, thousands, value):
    """Where a drop cannot tell thousands from thousandths, the contract may, by the file's name."""
    supplier = Supplier(files="crm_*.csv", thousands=thousands)
    settled = contract.model_copy(update={"suppliers": (supplier,)})

    for cell in ("1.234", "1,234"):
        [row] = decode(money(cell).encode(), name="crm_7.csv", contract=settled).rows
        found = row["customer_value_total_ever_online"]
        assert found == (None if value is None else Decimal(value))
        assert bool(row["reasons"]) == (value is None), "three decimals are too many"
    assert decode(money("1.234").encode(), contract=settled).code == "ambiguous_thousands"


def test_where_marks_contradict_each_other_nobody_settles_it(decode, contract):
    """Numbers like 1.234 and like 1,234 in one column are refused, whatever the contract says."""
    supplier = Supplier(files="*", thousands="always")
    settled = contract.model_copy(update={"suppliers": (supplier,)})

    assert decode(money("1.234", "1,234").encode(), contract=settled).code == "ambiguous_thousands"


def test_a_cell_that_counts_as_missing_is_as_if_it_were_empty(decode, contract):
    """With a warning, and no rule hears that there was something."""
    lenient = contract.model_copy(update={"unreadable": {"date": Unreadable.MISSING}})

    rows = decode((H + row(last_order_date="soon", order_num_total_ever_online="x")).encode(),
                  contract=lenient).rows  # fmt: skip

    assert rows[0]["warnings"] == ["not_a_date: last_order_date"]
    assert rows[0]["reasons"] == ["not_a_number: order_num_total_ever_online"]
    assert rows[0]["unreadable"] == ["order_num_total_ever_online"]


def test_one_such_cell_may_refuse_the_drop(decode, contract):
    """Where the contract says so by the column's type."""
    strict = contract.model_copy(update={"unreadable": {"money": Unreadable.REFUSE}})

    rows = decode((H + row(customer_value_total_ever_online="x")).encode(), contract=strict).rows

    assert rows[0]["refusals"] == rows[0]["reasons"] == [
        "not_a_number: customer_value_total_ever_online"
    ]  # fmt: skip


def test_an_example_is_the_first_and_nobodys_name(decode):
    """The first cell of each reason, told by its row, its column and how it is written."""
    drop = decode((H + row(last_order_date="Ayşe Ⓨ 7") + row(
        first_order_date="x", last_order_date="y")).encode()).drop  # fmt: skip

    assert drop.examples == {
        "not_a_date: last_order_date": "row 1, column last_order_date: written like 'aaaa a 9'",
        "not_a_date: first_order_date": "row 2, column first_order_date: written like 'a'",
    }


def test_a_word_for_nothing_is_missing_in_every_column(decode):
    """In any case, as the whole cell, and told once; a longer text with it in it is none."""
    cells = {
        "order_channel": "null",
        "first_order_date": "NaT",
        "master_id": "\u200bN/A",
        "order_num_total_ever_online": "\\n",
        "customer_value_total_ever_online": "NaN",
    }

    outcome = decode((H + row(**cells) + row(last_order_channel="None of them")).encode())

    assert [outcome.rows[0][name] for name in cells] == [None] * 5
    assert outcome.rows[0]["reasons"] == []
    assert outcome.rows[1]["last_order_channel"] == "None of them"
    assert outcome.drop.notes == (
        "words that stand for nothing, and how often: NULL (1), \\N (1), NaN (1), NaT (1), N/A (1)",
    )


def test_month_first_needs_the_contracts_leave(decode, contract):
    """An order of day and month that the contract does not accept is never used."""
    only_dmy = contract.model_copy(update={"date_orders": ("dmy",)})

    drop = decode(dates("02/26/2021").encode(), contract=only_dmy).drop

    assert drop.notation.date_order == "dmy"
    assert any("1 do not fit" in note for note in drop.notes)


def test_present_are_the_columns_of_the_header_that_the_tables_keep(decode):
    """A column that is there and empty is present; one that the contract does not know is not."""
    drop = decode((H[:-1] + ",Store Type,City\n" + R[:-1] + ",,\n").encode()).drop

    assert drop.columns == (*NAMES, "store_type", "City")
    assert drop.present == tuple(sorted([*NAMES, "store_type"]))


def test_a_bad_row_has_nothing_but_its_text(decode):
    """A row with a problem has null in every column and in rescued."""
    bad = decode((H[:-1] + ",City\n" + R[:-1] + ",x\n" + R).encode()).rows[1]

    assert bad.pop("problem") == "wrong_field_count"
    assert bad.pop("raw") == R[:-1]
    of_the_drop = {"drop_id", "path", "drop_time", "drop_day", "present"}
    assert bad.pop("row_no") == 2
    assert {name for name, value in bad.items() if value not in (None, [])} == of_the_drop


def test_a_raw_deflate_stream_is_no_gzip(decode):
    """Only gzip is unpacked; other deflate containers are refused as binary."""
    assert decode(zlib.compress((H + R).encode() * 50)).code == "binary_content"
