"""Why rows were refused or warned of, by rule and by column."""

from __future__ import annotations

import re

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.reporting.figures import Reason
from lake.contract import Contract
from streaming.constraints import REASON as CONSTRAINT

# A contract has some hundred names of reasons at most, each rule with each column.
_REASONS = 200


def gather_reasons(rows: DataFrame, column: str, contract: Contract) -> tuple[Reason, ...]:
    """Count the rows by each reason in a column of lists, the most frequent first."""
    counted = (
        rows.where(F.size(column) > 0)
        .select(F.explode(F.array_distinct(column)).alias("reason"))
        .groupBy("reason")
        .count()
        .orderBy(F.desc("count"), "reason")
        .limit(_REASONS)
        .collect()
    )
    return tuple(explain(row["reason"], row["count"], contract) for row in counted)


def explain(name: str, rows: int, contract: Contract) -> Reason:
    """Say what a reason means and which columns it is about.

    They are those that its name has after the rule's, else those that the rule's predicate names.
    """
    rule_name, _, asked = name.partition(": ")
    if rule_name == CONSTRAINT:
        return Reason(name, "the row breaks this constraint of a table", rows, ())
    rule = next((each for each in contract.rules if each.name == rule_name), None)
    when = rule.when if rule else ""
    columns = (asked,) if asked else tuple(
        each for each in contract.columns if re.search(rf"\b{re.escape(each)}\b", when)
    )  # fmt: skip
    return Reason(name, contract.says(rule_name), rows, columns)
