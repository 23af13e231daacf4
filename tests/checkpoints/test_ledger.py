"""An account says what became of every row, or it is not recorded."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from checkpoints.ledger import LedgerError, LedgerRow, State, from_metadata, to_metadata

SOUND = LedgerRow(
    "/flo/landing/a.csv", 9, datetime(2021, 12, 20, tzinfo=UTC), State.INGESTED,
    datetime(2021, 12, 21, tzinfo=UTC), columns=("master_id",), notes=("a note",),
    rows_read=7, rows_accepted=5, rows_quarantined=2, rows_inserted=1, rows_updated=1,
    rows_unchanged=1, rows_stale=1, rows_superseded=1,
)  # fmt: skip


def with_rows(**rows: int) -> LedgerRow:
    """Take some of the rows for others."""
    return LedgerRow(**{**asdict(SOUND), **{f"rows_{name}": count for name, count in rows.items()}})


def test_an_account_that_adds_up_is_sound() -> None:
    """Rows read are accepted and quarantined, those accepted have an outcome each."""
    SOUND.check_sums()


@pytest.mark.parametrize(
    "wrong",
    [
        with_rows(read=8),
        with_rows(quarantined=1),
        *(with_rows(**{n: 2}) for n in ("inserted", "updated", "unchanged", "stale", "superseded")),
    ],
)
def test_an_account_that_does_not_add_up_is_refused(wrong: LedgerRow) -> None:
    """A sum that is wrong is a defect, and the message names the file."""
    with pytest.raises(LedgerError, match=r"/flo/landing/a\.csv"):
        wrong.check_sums()


def test_an_account_travels_in_a_commit_as_it_is() -> None:
    """What a commit carries is read back to the last value; other texts carry nothing."""
    assert from_metadata(to_metadata([SOUND])) == [SOUND]
    assert [from_metadata(text) for text in (None, "", "{", "[]", '{"flo": 2}')] == [[]] * 5
