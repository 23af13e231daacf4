"""A contract whose rules cannot be asked of every row is refused before any drop is taken in."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.contract import Contract, load_contract, parse_contract
from lake.errors import ContractError
from lake.settings import Settings
from streaming.trial import require_sound_rules

SHIPPED = Settings().contract
PATH = Path("site.toml")


def with_rule(when: str) -> Contract:
    """Add a rule to the shipped contract, as a site does."""
    rule = f'\n[[rules]]\nname = "own"\nwhen = "{when}"\nthen = "warn"\n'
    return parse_contract((SHIPPED.read_text() + rule).encode(), PATH)


def test_the_shipped_rules_are_sound(spark: SparkSession) -> None:
    """They raise on no row at the limits of any type."""
    require_sound_rules(spark, load_contract(SHIPPED), SHIPPED)


def test_a_process_tries_a_contract_once(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a stream begins anew, the trial is a job of its first start alone."""
    contract = with_rule("order_channel = 'tried once'")
    require_sound_rules(spark, contract, PATH)
    monkeypatch.setattr("streaming.trial.apply_rules", None)

    require_sound_rules(spark, contract, PATH)


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ("CAST(master_id AS BIGINT) > 0", "CAST_INVALID_INPUT"),
        ("customer_value_total_ever_online / order_num_total_ever_online > 9", "DIVIDE_BY_ZERO"),
        ("order_num_total_ever_online + 9223372036854775807 > 0", "ARITHMETIC_OVERFLOW"),
        ("interested_in_categories_12[0] = 'KADIN'", "INVALID_ARRAY_INDEX"),
        ("order_chanel = 'Mobile'", "UNRESOLVED_COLUMN.WITH_SUGGESTION"),
        ("order_channel =", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_a_rule_that_can_raise_is_refused(spark: SparkSession, when: str, condition: str) -> None:
    """With its line, its name, what it is that can happen, and the remedy; no row is told."""
    contract = with_rule(when)
    line = contract.text.splitlines().index(f'when = "{when}"') + 1

    with pytest.raises(ContractError) as told:
        require_sound_rules(spark, contract, PATH)

    assert str(told.value).startswith(
        f"The contract site.toml, line {line}: the rule 'own' cannot be asked of every row "
        f"({condition})."
    )
    assert "try_cast" in str(told.value)


def test_a_rule_of_the_earlier_form_is_refused_with_what_to_do() -> None:
    """A contract of v0.1.0 asks of texts, which no rule sees any more."""
    with pytest.raises(ContractError, match=r"line [0-9]+: .*\{text\} is of v0.1.0.*CHANGELOG"):
        with_rule("{text} IS NOT NULL AND {value} IS NULL")


def test_a_rule_may_end_with_a_comment(spark: SparkSession) -> None:
    """A predicate is one whatever stands behind it."""
    require_sound_rules(spark, with_rule("order_channel = 'x' -- never"), PATH)


def test_a_rule_with_braces_is_asked_as_it_stands(spark: SparkSession) -> None:
    """What a predicate says is no place for anything else to be put in."""
    require_sound_rules(spark, with_rule("master_id RLIKE '^[0-9]{3}$' AND '{}' <> '{x}'"), PATH)


def test_a_contract_that_accepts_what_no_table_can_hold_is_refused(spark: SparkSession) -> None:
    """Without the rule for missing ids each drop with one would have to be stopped by the table."""
    shipped = load_contract(SHIPPED)
    rules = tuple(each for each in shipped.rules if each.name != "blank_master_id")

    with pytest.raises(ContractError, match="accepts rows without a master_id"):
        require_sound_rules(spark, shipped.model_copy(update={"rules": rules}), PATH)
