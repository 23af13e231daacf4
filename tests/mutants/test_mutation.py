"""A mutant breaks the one expression that it names, for a while, or is an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checkpoints.ledger import LedgerError
from tests.checkpoints.test_ledger import with_rows
from tests.mutants.mutation import AnchorError, Mutant, read_list

SUM = Mutant(
    "a sum", "checkpoints/ledger.py", "LedgerRow.check_sums",
    "self.rows_read != self.rows_accepted + self.rows_quarantined", "False", (),
)  # fmt: skip


def test_each_mutant_of_the_list_applies() -> None:
    """Whoever changes a guard moves its mutant along; there are thirty at least, each once."""
    mutants = read_list()
    for each in mutants:
        each.mutated()
        each.original()
        for test in each.tests:
            file, _, name = test.partition("::")
            assert f"def {name}" in Path(file).read_text("utf-8"), test
    assert len({each.name for each in mutants}) == len(mutants) >= 30


def test_a_guard_is_broken_for_the_time_of_the_block() -> None:
    """Inside, the wrong account passes; afterwards, it is refused as ever."""
    wrong = with_rows(read=8)
    with SUM.applied():
        wrong.check_sums()
    with pytest.raises(LedgerError):
        wrong.check_sums()


@pytest.mark.parametrize(
    "change",
    [{"find": "self.rows_lost"}, {"find": "self.rows_read"}, {"function": "LedgerRow.gone"}],
    ids=["not there", "there twice", "no such function"],
)
def test_what_does_not_apply_is_an_error(change: dict[str, str]) -> None:
    """A mutant whose code has changed would prove nothing."""
    with pytest.raises(AnchorError, match=r"^a sum: checkpoints/ledger\.py"):
        replace(SUM, **change).mutated()
