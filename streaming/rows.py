"""Judge the rows of a batch: which are accepted, which are not and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.contract import Action, Contract, Rule
from lake.local_rows import local_frame
from lake.sizing import kept_as, sized_for
from lake.tables import QUARANTINE, SNAPSHOTS, TABLES
from streaming.casts import DIRECT_FORMATS, MAX_COUNT, MAX_MONEY, type_columns
from streaming.constraints import Constraints
from streaming.decode import DecodedDrop
from streaming.intake import Drop
from streaming.phases import Phase, phase

_PLACEHOLDER = re.compile(r"\{(text|number|is_number|value|column|maximum)(?::(\w+))?\}")
NO_CONSTRAINTS = Constraints()
_DROPS = """
    drop_id STRING, path STRING, drop_time TIMESTAMP, first_seen_at TIMESTAMP, date_order STRING,
    decimal_marks MAP<STRING,STRING>, present ARRAY<STRING>
"""


@dataclass(frozen=True)
class Verdict:
    """What the rules make of one drop.

    Attributes:
        quarantined: number of its rows that are not accepted.
        refusal: why the whole drop is refused, or None.
    """

    quarantined: int
    refusal: str | None


@dataclass(frozen=True)
class Judgement:
    """A batch's rows, judged.

    Attributes:
        accepted: rows of ``customer_snapshots``.
        quarantined: rows of ``quarantine``; the two are disjoint and add up to all.
        verdicts: by ``drop_id``.
        kept: where the rows are, and where more of this batch should be.
    """

    accepted: DataFrame
    quarantined: DataFrame
    verdicts: Mapping[str, Verdict]
    kept: StorageLevel


@contextmanager
def judging(
    spark: SparkSession,
    staged: DataFrame,
    drops: Sequence[tuple[Drop, DecodedDrop]],
    contract: Contract,
    constraints: Constraints = NO_CONSTRAINTS,
) -> Iterator[Judgement]:
    """Type the decoder's rows, ask the contract's rules, and part them.

    In the block the session is set up for as many rows, and they are kept; no longer.

    Args:
        spark: the session of the batch.
        staged: the decoder's rows of all these drops; read once more where a drop is refused, when
            ``quarantined`` is.
        drops: each drop with what its decoder found.
        contract: the rules, and the share of bad rows above which a drop is refused.
        constraints: what the tables refuse beside that.
    """
    count = sum(found.rows for _, found in drops)
    with sized_for(count, spark), ExitStack() as at_the_end:
        with phase(Phase.JUDGE):
            rows = _judge(spark, staged, drops, contract, constraints).persist(kept_as(count))
            at_the_end.callback(rows.unpersist)
            judged = _part(rows, staged, contract, kept_as(count))
        yield judged


def _judge(
    spark: SparkSession,
    staged: DataFrame,
    drops: Sequence[tuple[Drop, DecodedDrop]],
    contract: Contract,
    constraints: Constraints,
) -> DataFrame:
    facts = local_frame(spark, [_facts(*each) for each in drops], _DROPS)
    typed = type_columns(
        staged.join(F.broadcast(facts), "drop_id"),
        contract,
        _direct(drops, contract),
        _plain(drops, contract),
    )
    rows = constraints.refuse(apply_rules(typed, contract), contract)
    # An accepted row is kept by its columns; its text would be most of what is kept.
    return rows.withColumn("raw", F.when(F.size("reasons") > 0, F.col("raw")))


def _part(rows: DataFrame, staged: DataFrame, contract: Contract, kept: StorageLevel) -> Judgement:
    verdicts = _verdicts(rows, contract)
    refused = sorted(drop_id for drop_id, verdict in verdicts.items() if verdict.refusal)
    rows_judged = rows.withColumn("reasons", _with_refusal(refused))
    is_bad = F.size("reasons") > 0
    bad = rows_judged.where(is_bad).withColumn("quarantined_at", F.current_timestamp())
    if refused:
        text = staged.where(F.col("drop_id").isin(refused)).select("drop_id", "row_no", "raw")
        bad = bad.withColumnRenamed("raw", "kept").join(text, ["drop_id", "row_no"], "left")
        bad = bad.withColumn("raw", F.coalesce("kept", "raw"))
    return Judgement(
        accepted=rows_judged.where(~is_bad).select(*TABLES[SNAPSHOTS].column_names),
        quarantined=bad.select(*TABLES[QUARANTINE].column_names),
        verdicts=verdicts,
        kept=kept,
    )


def apply_rules(typed: DataFrame, contract: Contract) -> DataFrame:
    """Ask each rule of each row, and select what snapshots and quarantine need.

    Returns:
        The snapshot columns, ``path``, ``raw``, ``reasons`` (of quarantine and refuse rules, or
        the decoder's problems alone where the row could not be read) and ``refusals``.
    """
    kept = [*TABLES[SNAPSHOTS].column_names, "path", "raw", "reasons", "refusals"]
    return typed.withColumns(_judgements(contract)).select(*kept)


@lru_cache(maxsize=4)
def _judgements(contract: Contract) -> dict[str, Column]:
    by_action = {
        action: _names_of(contract, [rule for rule in contract.rules if rule.then is action])
        for action in Action
    }
    unreadable = F.size("problems") > 0
    nothing = F.array().cast("array<string>")
    bad = F.concat(by_action[Action.QUARANTINE], by_action[Action.REFUSE])
    return {
        "warnings": F.when(unreadable, nothing).otherwise(by_action[Action.WARN]),
        "reasons": F.when(unreadable, F.col("problems")).otherwise(bad),
        "refusals": F.when(unreadable, nothing).otherwise(by_action[Action.REFUSE]),
    }


def expand(rule: Rule, contract: Contract) -> list[tuple[str, str]]:
    """List a rule's predicates as ``(name, SQL)``, one for each column that it is asked of.

    The name of a rule that is asked of columns says which: ``negative: order_num_…``.
    """
    names = rule.columns or contract.of_type(*rule.types)
    if not names:
        return [(rule.name, _fill(rule.when, None, contract))]
    return [(f"{rule.name}: {name}", _fill(rule.when, name, contract)) for name in names]


def _fill(predicate: str, column: str | None, contract: Contract) -> str:
    def replacement(found: re.Match[str]) -> str:
        name = found.group(2) or column or ""
        is_count = name in contract.columns and contract.columns[name].type == "count"
        return {
            "text": f"text_{name}",
            "number": f"number_{name}",
            "is_number": f"is_number_{name}",
            "value": name,
            "column": f"'{name}'",
            "maximum": str(MAX_COUNT if is_count else MAX_MONEY),
        }[found.group(1)]

    return _PLACEHOLDER.sub(replacement, predicate)


def _names_of(contract: Contract, rules: Sequence[Rule]) -> Column:
    """An array of the names of those of these rules that are true for the row, each once."""
    met = [
        F.when(F.expr(predicate), F.lit(name))
        for rule in rules
        for name, predicate in expand(rule, contract)
    ]
    if not met:
        return F.array().cast("array<string>")
    # A filter would say the same, but Spark compiles no code for it, nor for what is in it.
    return F.array_except(F.array(*met), F.array(F.lit(None).cast("string")))


def _verdicts(rows: DataFrame, contract: Contract) -> dict[str, Verdict]:
    counts = rows.groupBy("drop_id").agg(
        F.count(F.lit(1)).alias("n"),
        F.count_if(F.size("reasons") > 0).alias("bad"),
        F.first(F.get("refusals", F.lit(0)), ignorenulls=True).alias("refusal"),
    )
    verdicts = {}
    for row in counts.collect():
        refusal = None
        if row["refusal"]:
            refusal = f"refused: at least one row meets the rule '{row['refusal']}'"
        elif row["bad"] > contract.max_bad_share * row["n"]:
            refusal = (
                f"too_many_bad_rows: {row['bad']} of {row['n']} rows were not accepted, "
                f"more than the contract's {contract.max_bad_share:.0%}"
            )
        verdicts[row["drop_id"]] = Verdict(row["bad"], refusal)
    return verdicts


def _with_refusal(refused: Sequence[str]) -> Column:
    """Give every row of a refused drop a reason, beside its own ones."""
    if not refused:
        return F.col("reasons")
    is_refused = F.col("drop_id").isin(list(refused))
    extended = F.concat("reasons", F.array(F.lit("drop_refused")))
    return F.when(is_refused, extended).otherwise(F.col("reasons"))


def _direct(drops: Sequence[tuple[Drop, DecodedDrop]], contract: Contract) -> frozenset[str]:
    """Name the date columns that all of these drops write in formats that Spark reads itself."""
    found = [drop.date_formats for _, drop in drops]
    return frozenset(
        name
        for name in contract.of_type("date", "check")
        if {formats[name] for formats in found if name in formats} <= DIRECT_FORMATS
    )


def _plain(drops: Sequence[tuple[Drop, DecodedDrop]], contract: Contract) -> frozenset[str]:
    """Name the dates and numbers if all of them are plain in all of these drops.

    All or none: each other choice of columns would be a plan of its own, which Spark compiles and
    keeps, and bad drops would bring ever new ones.
    """
    columns = frozenset(contract.of_type("count", "money", "date", "check"))
    return columns if all(columns <= found.plain for _, found in drops) else frozenset()


def _facts(drop: Drop, found: DecodedDrop) -> tuple[object, ...]:
    return (
        drop.drop_id,
        drop.info.path,
        drop.drop_time,
        drop.first_seen_at,
        found.date_order,
        dict(found.decimal_marks),
        list(found.present),
    )
