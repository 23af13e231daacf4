"""What a stream tells of its work, to whoever counts or shows it: facts, one way, and no answer.

The stream does not know who listens. An account has the name of its file, so a listener passes on
numbers and states of it, and never a path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checkpoints.ledger import LedgerRow, State
from lake.fs import FileInfo
from streaming.phases import Phase
from streaming.upsert import OUTCOMES

STATES = (State.INGESTED, State.DUPLICATE, State.REJECTED)
"""What can become of a drop in a stream."""

ROWS = (*OUTCOMES, "quarantined")
"""What can become of a row that was read; the counts of an account by these add up to it."""


@dataclass(frozen=True)
class StreamBegan:
    """The stream holds the lock; ``application`` is Spark's id."""

    application: str


@dataclass(frozen=True)
class StreamWorks:
    """From now on drops are taken in as they come."""


@dataclass(frozen=True)
class StreamPaused:
    """The stream has ended, or waits for trouble to pass."""


@dataclass(frozen=True)
class LandingSeen:
    """These drops lie in landing, those of the batch in hand with them."""

    drops: Sequence[FileInfo]


@dataclass(frozen=True)
class DropsAccounted:
    """These accounts were written into the ledger, by a batch, a round or a recovery."""

    accounts: Sequence[LedgerRow]


@dataclass(frozen=True)
class BatchDone:
    """A batch has done all its work.

    Attributes:
        number: the ledger's.
        accounts: those that it added.
        seconds: how long it took.
        phases: what of that each part took, in seconds.
    """

    number: int
    accounts: Sequence[LedgerRow]
    seconds: float
    phases: Mapping[Phase, float]

    def figures(self) -> dict[str, int | float]:
        """Give its numbers for a line in the log: drops by state, rows by outcome, seconds."""
        states = Counter(each.state for each in self.accounts)
        return {
            "batch": self.number,
            "drops": len(self.accounts),
            **{state.value: states[state] for state in STATES},
            "read": sum(each.rows_read for each in self.accounts),
            **count_rows(self.accounts),
            "seconds": round(self.seconds, 3),
            **{f"{name}_seconds": round(took, 3) for name, took in self.phases.items()},
        }


@dataclass(frozen=True)
class TriggerDone:
    """Spark's query has looked for files and called for a round; what it took of its own."""

    phases: Mapping[Phase, float]


@dataclass(frozen=True)
class KpisShown:
    """The KPI tables show this version of the features; ``computed`` tells whether only now."""

    features_version: int
    computed: bool


@dataclass(frozen=True)
class Retrying:
    """Transient trouble is waited for, this many seconds, before the next try."""

    seconds: float


Event = (
    StreamBegan
    | StreamWorks
    | StreamPaused
    | LandingSeen
    | DropsAccounted
    | BatchDone
    | TriggerDone
    | KpisShown
    | Retrying
)
Tell = Callable[[Event], None]


def tell_nobody(event: Event) -> None:
    """Have no listener."""
    del event


def count_rows(accounts: Sequence[LedgerRow]) -> dict[str, int]:
    """Count the rows of accounts by what became of them, see ``ROWS``."""
    return {name: sum(getattr(each, f"rows_{name}") for each in accounts) for name in ROWS}
