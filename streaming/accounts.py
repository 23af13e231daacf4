"""How a drop's account grows: what was found in it, the verdict on it, what its rows changed.

Pure functions on :class:`~checkpoints.ledger.LedgerRow`; the stream and the dry run share them, so
that a dry run tells what the stream would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from checkpoints.ledger import LedgerRow, State
from streaming.decode import DecodedDrop
from streaming.rows import Verdict
from streaming.upsert import OUTCOMES

SAME_BYTES = "the same bytes are ingested already"
"""Why a drop is a duplicate."""


def with_findings(row: LedgerRow, found: DecodedDrop) -> LedgerRow:
    """Put what the decoder found into the account of a drop that could be read."""
    return replace(
        row,
        delimiter=found.delimiter,
        encoding=found.encoding,
        date_format=found.date_format,
        decimal_mark=found.decimal_mark,
        columns=found.columns,
        notes=found.notes,
        rows_read=found.rows,
    )


def with_verdict(row: LedgerRow, verdict: Verdict) -> LedgerRow:
    """Put the rules' verdict into the account: a refused drop has all its rows in quarantine."""
    if verdict.refusal:
        return replace(row, rows_quarantined=row.rows_read, reason=verdict.refusal)
    bad = verdict.quarantined
    return replace(
        row, state=State.INGESTED, rows_quarantined=bad, rows_accepted=row.rows_read - bad
    )


def with_outcomes(row: LedgerRow, outcomes: Mapping[str, Mapping[str, int]]) -> LedgerRow:
    """Put what became of a drop's rows into its account.

    Args:
        row: the account of a drop that is ingested or refused.
        outcomes: per ``drop_id`` the number of rows by outcome; see
            :class:`streaming.upsert.Upsert`.

    Raises:
        LedgerError: the account does not add up.
    """
    counts = outcomes.get(str(row.drop_id), {})
    rows: dict[str, Any] = {f"rows_{name}": counts.get(name, 0) for name in OUTCOMES}
    counted = replace(row, **rows)
    counted.check_sums()
    return counted


def as_duplicate(row: LedgerRow) -> LedgerRow:
    """Close the account of bytes that are ingested already."""
    return replace(row, state=State.DUPLICATE, reason=SAME_BYTES)


def as_repeat(row: LedgerRow, written: Sequence[LedgerRow]) -> LedgerRow:
    """Close the account of a file whose bytes came before it in the same batch.

    They are a duplicate where they were ingested; refused bytes are refused again.
    """
    first = next(each for each in written if each.drop_id == row.drop_id)
    if first.state == State.INGESTED:
        return as_duplicate(row)
    return replace(
        first,
        path=row.path,
        archived_path=row.archived_path,
        bytes=row.bytes,
        modified_at=row.modified_at,
    )
