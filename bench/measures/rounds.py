"""Contenders in turns: the same drop to each, and each one's table compared with the oracle's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.contenders.client import Contender
from bench.data import Dataset
from bench.digest import Digest
from bench.errors import WrongResultError
from bench.oracle import Step, kept_steps
from bench.say import say

Answers = dict[str, list[dict[str, Any]]]


def oracle(data: Dataset) -> list[Step]:
    """What the table must hold after the full drop and after each change drop."""
    return kept_steps(data.full, data.changes, data.folder / "expected.json")


def require(name: str, found: Mapping[str, Any], wanted: Digest, after: str) -> None:
    """Refuse a result that is not the oracle's.

    Raises:
        WrongResultError: the table of this contender holds other rows.
    """
    if Digest.of(found) != wanted:
        raise WrongResultError(
            f"{name} holds {Digest.of(found)} after {after}, and the oracle says {wanted}: "
            "its times count for nothing."
        )


def load_all(contenders: Sequence[Contender], data: Dataset, steps: Sequence[Step]) -> Answers:
    """Have each contender make its table of the full drop."""
    answers: Answers = {}
    for each in contenders:
        answer = each.ask("load", file=str(data.full))
        require(each.name, each.ask("digest"), steps[0].digest, data.full.name)
        answers[each.name] = [answer]
        say(f"    {each.name:9} loaded {data.customers:,} customers in {answer['seconds']:.1f} s")
    return answers


def take_turns(
    contenders: Sequence[Contender], data: Dataset, steps: Sequence[Step], count: int
) -> Answers:
    """Give the first ``count`` drops to each contender, one drop after the other.

    Who begins changes from drop to drop. A result is looked at before the next one's turn.
    """
    answers: Answers = {each.name: [] for each in contenders}
    for number in range(count):
        file, step = data.changes[number], steps[number + 1]
        first = number % len(contenders)
        for each in (*contenders[first:], *contenders[:first]):
            answer = each.ask("drop", file=str(file))
            require(each.name, each.ask("digest"), step.digest, file.name)
            answers[each.name].append(answer)
        times = ", ".join(f"{name} {answers[name][-1]['seconds']:.2f} s" for name in answers)
        say(f"    drop {number + 1}: {times}")
    return answers
