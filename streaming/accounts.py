"""How a drop's account grows: what was found in it, the verdict on it, what its rows changed.

Pure functions on :class:`~checkpoints.ledger.LedgerRow`; the stream and the dry run share them, so
that a dry run tells what the stream would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from checkpoints.ledger import OF_THE_ARRIVAL, LedgerRow, State
from lake.contract import Contract
from lake.fs import FileInfo
from streaming.decode import DECODER_VERSION, DecodedDrop
from streaming.intake import Drop, drop_time, notes_on_time
from streaming.rows import Verdict
from streaming.upsert import OUTCOMES

SAME_BYTES = "the same bytes are ingested already"
"""Why a drop is a duplicate."""


def open_account(info: FileInfo, contract: Contract, **arrival: Any) -> LedgerRow:
    """Open the account of a file as refused, which is what it stays unless all goes well.

    Args:
        info: the file.
        contract: by which it is judged.
        arrival: more of :data:`~checkpoints.ledger.OF_THE_ARRIVAL`.
    """
    return LedgerRow(
        path=info.path,
        bytes=info.size,
        modified_at=info.modified_at,
        file_id=info.file_id,
        state=State.REJECTED,
        contract_digest=contract.digest,
        decoder_version=DECODER_VERSION,
        **arrival,
    )


def first_seen(row: LedgerRow) -> datetime:
    """When the file of an account was first seen."""
    return row.first_seen_at or row.started_at


def with_times(row: LedgerRow) -> LedgerRow:
    """Put into an account what follows from the file's time and from when it was first seen."""
    times = row.modified_at, first_seen(row)
    return replace(row, drop_time=drop_time(*times), notes=notes_on_time(*times))


def with_file(row: LedgerRow, drop: Drop) -> LedgerRow:
    """Put into an account the file as it was when it was read."""
    known = replace(
        row,
        drop_id=drop.drop_id,
        archived_sha256=drop.drop_id,
        bytes=drop.info.size,
        modified_at=drop.info.modified_at,
        file_id=drop.info.file_id,
    )
    return with_times(known)


def with_findings(row: LedgerRow, found: DecodedDrop) -> LedgerRow:
    """Put what the decoder found into the account of a drop that could be read."""
    return replace(
        row,
        delimiter=found.delimiter,
        encoding=found.encoding,
        date_format=found.date_format,
        decimal_mark=found.decimal_mark,
        columns=found.columns,
        notes=(*row.notes, *found.notes),
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
    return replace(first, **{name: getattr(row, name) for name in OF_THE_ARRIVAL})
