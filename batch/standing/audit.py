"""Whether any file is unaccounted for: landing, ledger and archive, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from batch.standing.places import Look
from checkpoints.ledger import State
from streaming.source import is_unfinished

ABANDONED_AFTER = timedelta(hours=24)
"""How long a name that waits for its rename is believed to be still at work."""


class Kind(StrEnum):
    """What can be wrong with a file; the codes are stable."""

    ABANDONED = "abandoned"
    NOT_IN_LEDGER = "not_in_ledger"
    ARCHIVED_FILE_GONE = "archived_file_gone"
    ARCHIVED_FILE_CHANGED = "archived_file_changed"
    NOT_READ = "not_read"
    NOT_MOVED = "not_moved"


@dataclass(frozen=True)
class Finding:
    """A file that is neither pending nor ingested, duplicate or rejected, and what to do."""

    path: str
    finding: Kind
    says: str


@dataclass(frozen=True)
class Audit:
    """The findings by path, and how many files are in each state, ``pending`` among them."""

    findings: Sequence[Finding]
    counts: dict[str, int]

    def __str__(self) -> str:
        """Sum it up in a line."""
        told = ", ".join(f"{count:,} {state}" for state, count in self.counts.items())
        return f"{told}, {len({each.path for each in self.findings}):,} unaccounted for."


def audit_files(take_look: Callable[[], Look], now: datetime | None = None) -> Audit:
    """Look, and look again where something is suspect: only what shows both times is reported.

    So it may be asked while a stream runs and suppliers put files into landing: a file that
    slips through one look, being moved from a place not yet seen to one seen already, is found
    by the other.
    """
    moment = now or datetime.now(UTC)
    look = take_look()
    findings = find_unaccounted(look, moment)
    if findings:
        suspects = {(each.path, each.finding) for each in findings}
        look = take_look()
        again = find_unaccounted(look, moment)
        findings = [each for each in again if (each.path, each.finding) in suspects]
    return Audit(findings, count_states(look, {each.path for each in findings}))


def find_unaccounted(look: Look, now: datetime) -> list[Finding]:
    """List the files that are none of pending, ingested, duplicate and rejected, or get stuck.

    * ``abandoned``: waits for its rename (``x.tmp``, ``_x``, ``x._COPYING_``) for a day.
    * ``not_in_ledger``: in the archive, and no account names it or a directory that it is in.
    * ``archived_file_gone``, ``archived_file_changed``: not (as it was) where its account says.
      A file that is accounted for and still in landing only waits for its move.
    * ``not_read``, ``not_moved``: in landing, and the stream's user may not read or move it.
    """
    found = [*_abandoned(look, now), *_not_in_ledger(look), *_not_kept(look), *_in_trouble(look)]
    return sorted(found, key=lambda each: (each.path, each.finding))


def count_states(look: Look, unaccounted: set[str]) -> dict[str, int]:
    """Count what is pending, and the accounts by state; ``undone`` only where there is one."""
    kept = {info.path for info in look.archive}
    moving = {
        row.appearance
        for row in look.accounts
        if row.archived_path is not None and row.archived_path not in kept
    }
    pending = {info.path for info in look.landing if info.appearance not in moving}
    states = Counter(row.state for row in look.accounts)
    shown = [each for each in State if states[each] or each is not State.UNDONE]
    return {
        "pending": len(pending - unaccounted),
        **{each.value: states[each] for each in shown},
    }


def _abandoned(look: Look, now: datetime) -> Iterator[Finding]:
    for info in (*look.landing, *look.inside):
        if is_unfinished(info.name) and now - info.modified_at > ABANDONED_AFTER:
            yield Finding(
                info.path,
                Kind.ABANDONED,
                f"it waits for its final name since {info.modified_at:%Y-%m-%d %H:%M} UTC; rename "
                "it to name.csv if it is whole, or delete it and put the file there again",
            )


def _not_in_ledger(look: Look) -> Iterator[Finding]:
    named = {row.archived_path for row in look.accounts}
    for info in look.archive:
        if not info.is_dir and named.isdisjoint(_upwards(info.path)):
            yield Finding(
                info.path,
                Kind.NOT_IN_LEDGER,
                "it is in the archive and no account names it; move it into landing to have it "
                "taken in, or out of the archive if it is no drop",
            )


def _not_kept(look: Look) -> Iterator[Finding]:
    kept = {info.path: info for info in look.archive}
    landed = {info.appearance for info in look.landing}
    by_age = sorted(look.accounts, key=lambda row: row.started_at)
    # A file that has come again is where its newest account says.
    for row in {each.file: each for each in by_age}.values():
        if row.archived_path is None:
            continue
        info = kept.get(row.archived_path)
        name = row.path.rsplit("/", 1)[-1]
        if info is None and row.appearance not in landed:
            yield Finding(
                row.archived_path,
                Kind.ARCHIVED_FILE_GONE,
                f"{name} is accounted for as {row.state}, and it is neither here nor in landing; "
                "put the supplier's original here",
            )
        elif info is not None and not info.is_dir and info.size != row.bytes:
            yield Finding(
                row.archived_path,
                Kind.ARCHIVED_FILE_CHANGED,
                f"{name} had {row.bytes:,} bytes when it was accounted for as {row.state} and has "
                f"{info.size:,} now; put the supplier's original here",
            )


def _in_trouble(look: Look) -> Iterator[Finding]:
    for each in look.troubles:
        yield Finding(each.path, Kind.NOT_MOVED if each.account_id else Kind.NOT_READ, each.says)


def _upwards(path: str) -> Iterator[str]:
    """A path, and the directories that it is in."""
    while path:
        yield path
        path = path.rpartition("/")[0]
