"""What the operator has to do, if anything: rules over a look at the lake, urgent ones first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from batch.standing.lake import Standing
from checkpoints.ledger import State
from lake.tables import FEATURES, LEDGER
from streaming.source import is_drop_name

LONG = timedelta(minutes=10)
"""How long a batch may be in hand, or a whole file wait beside an idle stream, unremarked."""

SETTLING = timedelta(minutes=1)
"""How long features may be newer than the KPIs: those of a stream with --kpis come after them."""

HIGH_SHARE = 0.01
"""The share of a day's rows that may be in quarantine unremarked."""


@dataclass(frozen=True)
class Advice:
    """What is the matter, in a sentence, and the command that does or shows what is next."""

    rule: str
    says: str
    command: str

    def __str__(self) -> str:
        """Put it in a line."""
        return f"{self.says}: `{self.command}`"


@dataclass(frozen=True)
class Rule:
    """A rule: where it finds something, it says what."""

    name: str
    command: str
    says: Callable[[Standing], str | None]


def advise(standing: Standing) -> list[Advice]:
    """List what needs doing, the most urgent first; empty where all is well."""
    told = ((rule, rule.says(standing)) for rule in RULES)
    return [Advice(rule.name, says, rule.command) for rule, says in told if says]


def _no_tables(at: Standing) -> str | None:
    return None if LEDGER in at.tables else "There are no tables here yet"


def _no_stream(at: Standing) -> str | None:
    if at.running or LEDGER not in at.tables:
        return None
    if at.pending.files:
        return (
            f"{_count(at.pending.files, 'file waits', 'files wait')} in landing, and no stream runs"
        )
    if at.holder is not None:
        return f"The stream of {at.holder} ended without giving its lock back"
    if at.in_hand is not None:
        return f"No stream runs, and batch {at.in_hand.name} is not done"
    return None


def _stuck(at: Standing) -> str | None:
    if not at.running or at.in_hand is None:
        return None
    since = at.in_hand.modified_at
    if at.now - since < LONG:
        return None
    return f"Batch {at.in_hand.name} is in hand since {since:%H:%M} UTC (the stream's log says why)"


def _idle(at: Standing) -> str | None:
    since, last = at.stream_since, at.last_batch
    if since is None or at.in_hand is not None or at.pending.oldest is None:
        return None
    if at.pending.files <= sum(is_drop_name(each.path.rpartition("/")[2]) for each in at.troubles):
        return None
    quiet = max([since, at.pending.oldest, *([last.finished_at] if last else [])])
    if at.now - quiet < LONG:
        return None
    files = _count(at.pending.files, "file waits", "files wait")
    return f"{files} beside an idle stream (is a writer still at work?)"


def _in_trouble(at: Standing) -> str | None:
    if not at.troubles:
        return None
    more = len(at.troubles) - 1
    return at.troubles[0].says.rstrip(".") + (f" (and {more:,} more)" if more else "")


def _unaccounted(at: Standing) -> str | None:
    stuck = {each.path for each in at.troubles}
    count = len({each.path for each in at.findings} - stuck)
    return f"{_count(count, 'file is', 'files are')} unaccounted for" if count else None


def _rejected(at: Standing) -> str | None:
    count = at.last_day.states.get(State.REJECTED, 0)
    return f"{_count(count, 'drop was', 'drops were')} rejected within 24 hours" if count else None


def _quarantine(at: Standing) -> str | None:
    share = at.last_day.quarantined
    if share is None or share <= HIGH_SHARE:
        return None
    return f"{share:.1%} of the rows read within 24 hours are in quarantine"


def _kpis(at: Standing) -> str | None:
    if not at.kpis_behind:
        return None
    if at.kpis.features_version is None:
        return "The KPIs were never computed"
    if at.running and at.now - at.tables[FEATURES].committed_at < SETTLING:
        return None
    return "The KPIs are older than the features"


def _count(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


RULES = (
    Rule("no_tables", "flo init", _no_tables),
    Rule("no_stream", "flo stream", _no_stream),
    Rule("stuck", "flo watch", _stuck),
    Rule("idle", "flo watch", _idle),
    Rule("trouble", "flo audit", _in_trouble),
    Rule("unaccounted", "flo audit", _unaccounted),
    Rule("rejected", "flo drops --state rejected", _rejected),
    Rule("quarantine", "flo quarantine", _quarantine),
    Rule("kpis", "flo kpis", _kpis),
)
