"""Properties of the decoder that hold for any input, found by search."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from streaming.decode.batches import BatchReader
from streaming.decode.dialect import DELIMITERS, Layout
from streaming.decode.records import (
    WHITE,
    RecordReader,
    split_blocks,
    split_lines,
)

searched = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

BASE = [
    "master_id",
    "order_channel",
    "last_order_channel",
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
    "order_num_total_ever_online",
    "order_num_total_ever_offline",
    "customer_value_total_ever_offline",
    "customer_value_total_ever_online",
    "store_type",
]
ENCODINGS = {
    "utf-8": (b"", "utf-8"),
    "utf-8 with mark": (codecs.BOM_UTF8, "utf-8"),
    "utf-16-le": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "utf-16-be": (codecs.BOM_UTF16_BE, "utf-16-be"),
    "utf-16 without mark": (b"", "utf-16-le"),
    "windows-1254": (b"", "cp1254"),
}
ALPHABET = st.sampled_from("abcXYZ0189çÇğĞıİöÖşŞüÜâ ,;|\t\"'[]-/.\n\r")
CELLS = st.text(ALPHABET, max_size=12)
# Pieces that make up hostile text: each is likely to meet the others.
PIECES = st.sampled_from(
    ['"', '""', ",", "a", "b c", " ", "\n", "\r\n", "\r", "\xa0", "ş", ",,", '"x,y"', "\n\n"]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def as_expected(cell: str) -> str | None:
    """Say what becomes of a cell: outer white space off, nothing is missing."""
    return cell.strip(WHITE) or None


@st.composite
def drops(draw: Any) -> tuple[bytes, str, str, list[str], list[list[str]]]:
    """Draw a drop as a supplier's program may write it, and what is in it."""
    header = draw(st.permutations(BASE))
    ids = st.text(st.sampled_from("0123456789abcdef-"), min_size=1, max_size=36)
    others = st.lists(CELLS, min_size=len(BASE) - 1, max_size=len(BASE) - 1)
    rows = draw(st.lists(st.tuples(ids, others), min_size=1, max_size=6))
    at = header.index("master_id")
    table = [[*rest[:at], key, *rest[at:]] for key, rest in rows]
    delimiter = draw(st.sampled_from(DELIMITERS))
    index = draw(st.booleans())
    out = io.StringIO()
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if any("\r" in cell or "\n" in cell for row in table for cell in row) and end != "\r\n":
        quoting = csv.QUOTE_ALL  # the writer leaves the other line ends bare
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([""] * index + header)
    writer.writerows([str(n)] * index + row for n, row in enumerate(table))
    text = out.getvalue()
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    name = draw(st.sampled_from(sorted(ENCODINGS)))
    mark, codec = ENCODINGS[name]
    data = mark + text.encode(codec)
    if codec == "cp1254" and text.isascii():
        name = "utf-8"
    suffix = draw(st.sampled_from(["", ".gz"]))
    return (
        gzip.compress(data) if suffix else data,
        "d.csv" + suffix,
        {"utf-8 with mark": "utf-8", "utf-16 without mark": "utf-16-le"}.get(name, name),
        header,
        table,
    )


@searched
@given(drops())
def test_what_a_csv_writer_writes_comes_back_cell_for_cell(decode, contract, drawn):
    """Delimiter, encoding, line end, mark, gzip, quoting, order and index change no cell."""
    data, name, encoding, header, table = drawn
    of_texts = {each: column.model_copy(update={"type": "text"})
                for each, column in contract.columns.items()}  # fmt: skip

    outcome = decode(
        data, name, limit=1 << 16, contract=contract.model_copy(update={"columns": of_texts})
    )

    assert outcome.code == ""
    assert outcome.drop.encoding == encoding
    read = [[row[column] for column in header] for row in outcome.rows]
    assert read == [[as_expected(cell) for cell in row] for row in table]
    assert not any(row["problem"] for row in outcome.rows)


HEADER = (",".join(BASE) + "\n").encode()


@searched
@given(
    st.sampled_from([b"", HEADER, codecs.BOM_UTF16_LE, b"\x1f\x8b\x08", codecs.BOM_UTF8 + HEADER]),
    st.one_of(
        st.binary(max_size=300),
        TEXTS.map(str.encode),
        TEXTS.map(lambda text: gzip.compress(HEADER + text.encode())),
    ),
    st.sampled_from(["d.csv", "d.csv.gz"]),
    st.sampled_from([40, 1024]),
)
@example(HEADER, b'"', "d.csv", 1024)
@example(HEADER, b"\r", "d.csv", 1024)
def test_any_bytes_are_decoded_or_refused(decode, start, rest, name, limit):
    """Whatever the bytes: a counted and numbered result or a refusal, and nothing else."""
    outcome = decode(start + rest, name, limit=limit)

    assert (outcome.drop is None) == bool(outcome.code)
    if outcome.drop is not None:
        assert outcome.drop.rows == len(outcome.rows) > 0
        assert [row["row_no"] for row in outcome.rows] == list(range(1, outcome.drop.rows + 1))
        for row in outcome.rows:
            assert not (row["problem"] and any(row[name] for name in BASE))


@searched
@given(TEXTS, st.sampled_from(DELIMITERS), st.integers(1, 4))
@example('a,"b\nc,d', ",", 2)
def test_the_raw_texts_are_the_file(text, delimiter, width):
    """No character of a text is lost but those that are between cells, and of blank lines."""
    reader = RecordReader(delimiter, width, limit=1 << 16)

    records, waiting = reader.read(text, final=True)

    def said(each: str) -> str:
        return "".join(char for char in each if char not in f'{WHITE}{delimiter}"')

    assert waiting == ""
    assert said("".join(record.raw for record in records)) == said(text)


def layout_of(width: int, delimiter: str) -> Layout:
    """Make a layout that only says how wide a record is."""
    return Layout(delimiter, ("",) * width, width, {}, {}, range(width, width), 0, 0, ())


def read_all(
    text: str, cuts: int, layout: Layout, *, quick: bool, careful: bool, limit: int
) -> tuple[list[Any], int]:
    """Read a text that comes in chunks of a size."""
    chunks = [text[at : at + cuts] for at in range(0, len(text), cuts)]
    reader = BatchReader(layout, limit, quick=quick, careful=careful)
    # A first row lets a long line come at any place.
    first = layout.delimiter * (layout.width - 1) + "ok\n"
    rows = []
    for batch in reader.read(split_blocks([first, *chunks], limit)):
        problems = batch.problems or [None] * len(batch.raw)
        cells = [column.to_pylist() for column in batch.cells]
        assert all(column.type == pa.string() for column in batch.cells)
        rows += list(zip(batch.raw.to_pylist(), problems, *cells, strict=True))
    return rows, reader.blank_lines


@searched
@given(TEXTS, st.sampled_from([",", "|"]), st.integers(2, 4), st.integers(1, 50))
@example('"a,b",c\n5" x,y\n', ",", 2, 50)
@example('a "b,c"\n""\n', ",", 2, 50)
@example('"a\n,b"\n', ",", 2, 3)
@example('a,b\n""', ",", 2, 50)
def test_the_quick_ways_read_what_the_reference_reads(text, delimiter, width, cuts):
    """Splitting in bulk, the csv module and the reference agree, however the text is cut."""
    layout = layout_of(width, delimiter)

    reference = read_all(text, len(text) or 1, layout, quick=False, careful=True, limit=5000)

    for quick, careful in ((False, False), (True, False), (True, True)):
        for size in (cuts, len(text) or 1):
            result = read_all(text, size, layout, quick=quick, careful=careful, limit=5000)
            assert result == reference


@searched
@given(TEXTS, st.integers(1, 20), st.integers(20, 60))
def test_long_lines_are_found_however_the_text_is_cut(text, cuts, limit):
    """Which lines are too long does not depend on where the chunks end."""
    assume('"' not in text)
    long = [line for line in split_lines(text) if len(line.rstrip("\r\n")) > limit]

    rows, _ = read_all(text, cuts, layout_of(2, ","), quick=True, careful=False, limit=limit)

    found = [row[0] for row in rows if row[1] == "record_too_long"]
    assert len(found) == len(long)
