"""What is told of a header: what it may hold, nobody knows."""

from __future__ import annotations

import pytest

from streaming.decode.names import looks_like_a_name
from tests.streaming.decode.test_decode_nasty_inputs import COLUMNS, R, row

NAMES = [
    "City", "order_num_total_12m", "Müşteri İli", "shop type", "v2", "q3-2021", "tel.no", "index",
    "_id", "son alışveriş", "2021", "last_order_date_new_2", "b2b",
]  # fmt: skip
NO_NAMES = [
    "0f1e2d3c-19f0-11eb-8000-0200f10f10f1", "xcafe5eed-19f0-11eb-8000-0200f10f10f1", "a3f9c2e17b",
    "CUST000123", "905321234567", "someone@example.com", "+90 532 123 45 67", "x" * 65, "12.50",
    "2021-05-30", "2021-05", "a\nb", "a1b2", "", "'; DROP", "TR330006100519786457841326",
    "0f1e2d3c19f011eb80000200f10f10f1", "made-up-10001",
]  # fmt: skip


@pytest.mark.parametrize("text", NAMES)
def test_what_looks_like_a_columns_name_is_told_by_it(text, decode):
    """Words, with few digits in them, are told as they are: the supplier knows them again."""
    assert looks_like_a_name(text)
    drop = decode((f"{COLUMNS},{text}\n" + R[:-1] + ",x\n").encode()).drop
    assert drop.columns[-1] == text
    assert any(text in note for note in drop.notes)


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_may_be_a_customers_is_told_by_place_and_length(text, decode):
    """An id, a telephone number, an address or a long text is in no account and in no note."""
    assert not looks_like_a_name(text)
    if not text or "-19f0-" in text:
        return
    outcome = decode((f'{COLUMNS},"{text}"\n' + R[:-1] + ",x\n").encode())
    told = f"column 12 ({len(text)} characters)"
    assert outcome.drop.columns[-1] == told
    assert any(note.endswith(f"as rescued: {told}") for note in outcome.drop.notes)
    assert text not in str(outcome.drop)
    assert outcome.rows[0]["rescued"] == {text: "x"}, "the rows have it under its own text"


@pytest.mark.parametrize("customer", ["kanarienvogel", "made-up-1"])
def test_a_row_that_lost_its_line_end_is_not_told(customer, decode):
    """Where dates and numbers are in the header, nothing unknown of it is told by its text."""
    first = row(master_id=customer, order_channel="Geheim", last_order_date_offline="")
    outcome = decode((COLUMNS + ",interested_in_categories_12" + first + R + R).encode())
    assert outcome.code == ""
    told = str(outcome.drop)
    assert customer not in told
    assert "Geheim" not in told
    assert "master_id" in outcome.drop.columns


def test_a_long_name_is_refused(decode):
    """A name has 256 characters at most, and what is said of a longer one does not quote it."""
    longest = "n" * 256
    assert decode((f"{COLUMNS},{longest}\n" + R[:-1] + ",x\n").encode()).code == ""
    refused = decode((f"{COLUMNS},{longest}n\n" + R[:-1] + ",x\n").encode())
    assert refused.code == "long_header"
    assert refused.message.startswith("Column 12 of the header has a name of 257 characters")
    assert longest not in refused.message


def test_a_header_is_read_no_further_than_it_may_reach(decode):
    """Blanks around quoted names count as well: what is behind them is not taken for a row."""
    padded = COLUMNS.replace(",", "," + " " * 60_000)
    refused = decode((f"{padded},x\n" + R[:-1] + ",x\n").encode(), limit=1 << 20)
    assert refused.code == "long_header"
    quoted = ",".join(f'{" " * 60_000}"{name}"' for name in COLUMNS.split(","))
    refused = decode((quoted + "\n" + R).encode(), limit=1 << 20)
    assert refused.code == "long_header"


def test_few_unknown_columns_are_named_in_the_note(decode):
    """A note names twenty columns, and says how many more there are."""
    wide = "".join(f",column of {at}" for at in range(30))
    drop = decode((COLUMNS + wide + "\n" + R[:-1] + ",x" * 30 + "\n").encode()).drop
    [note] = [each for each in drop.notes if "unknown" in each]
    assert note.endswith("'column of 19' and 10 more")
