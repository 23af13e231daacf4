"""What a measure found, and the file that holds all of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """One measure.

    Attributes:
        id: its name in the list of what must be shown, such as ``P1``.
        what: one line that says what was measured.
        size: customers in the table.
        ours: this project's median, in ``unit``.
        theirs: the other's median, in ``unit``; None where the measure has no other.
        ratio: ours by theirs; the measure itself where there is no other.
        limit: the most that the ratio may be; None where that size has none.
        repetitions: timed repetitions of each side.
        unit: of ``ours`` and ``theirs``.
        notes: whatever else was counted, by name.
    """

    id: str
    what: str
    size: int
    ours: float
    theirs: float | None
    ratio: float
    limit: float | None
    repetitions: int
    unit: str = "s"
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """Whether the ratio is within its limit; None where there is none."""
        return None if self.limit is None else self.ratio <= self.limit


def compare(
    name: str,
    what: str,
    size: int,
    ours: Sequence[float],
    theirs: Sequence[float],
    limit: float | None,
    **notes: Any,
) -> Result:
    """Compare the medians of two series of seconds."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    return Result(
        id=name,
        what=what,
        size=size,
        ours=mine,
        theirs=other,
        ratio=mine / other,
        limit=limit,
        repetitions=min(len(ours), len(theirs)),
        notes={"ours_all": list(ours), "theirs_all": list(theirs), **notes},
    )


def number(result: Result) -> int:
    """Where a result stands in the list: P2 before P10."""
    return int(result.id[1:])


def load(path: Path) -> list[Result]:
    """Read the results of an earlier run; none where there was none."""
    if not path.is_file():
        return []
    return [Result(**each) for each in json.loads(path.read_text("utf-8"))]


def save(path: Path, results: Sequence[Result]) -> None:
    """Write the results, whole or not at all, in the order of their numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    values = [asdict(each) for each in sorted(results, key=number)]
    draft.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    draft.replace(path)


def merge(earlier: Sequence[Result], newer: Sequence[Result]) -> list[Result]:
    """Put newer results in the place of earlier ones of the same name."""
    names = {each.id for each in newer}
    return [*(each for each in earlier if each.id not in names), *newer]
