"""Judge the rows of a batch: which are accepted, which are not and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from lake.contract import Action, Contract, Rule
from lake.sizing import kept_as, sized_for
from lake.statements import ask
from lake.tables import QUARANTINE, SNAPSHOTS, TABLES
from streaming.constraints import Constraints
from streaming.decode import DecodedDrop
from streaming.decode.staging import staged_schema
from streaming.phases import Phase, phase

NO_CONSTRAINTS = Constraints()
TOO_MANY = "too_many_bad_rows"
_NOTHING = "CAST(array() AS ARRAY<STRING>)"


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


def read_staged(spark: SparkSession, path: str, contract: Contract) -> DataFrame:
    """Read the decoder's rows, of one file or of all in a directory, without a look at them."""
    return spark.read.schema(staged_type(contract)).parquet(path)


def staged_type(contract: Contract) -> StructType:
    """What the decoder's rows are to Spark."""
    return from_arrow_schema(staged_schema(contract))


@contextmanager
def judging(
    spark: SparkSession,
    staged: DataFrame,
    drops: Mapping[str, DecodedDrop],
    contract: Contract,
    constraints: Constraints = NO_CONSTRAINTS,
) -> Iterator[Judgement]:
    """Ask the contract's rules of the decoder's rows, and part them.

    In the block the session is set up for as many rows, and they are kept; no longer.

    Args:
        spark: the session of the batch.
        staged: the decoder's rows of all these drops; read once more where a drop is refused, when
            ``quarantined`` is.
        drops: what the decoder found in each, by ``drop_id``.
        contract: the rules, and the share of bad rows above which a drop is refused.
        constraints: what the tables refuse beside that.
    """
    count = sum(found.rows for found in drops.values())
    with sized_for(count, spark), ExitStack() as at_the_end:
        with phase(Phase.JUDGE):
            rows = constraints.refuse(apply_rules(staged, contract), contract)
            # An accepted row is kept by its columns; its text would be most of what is kept.
            rows = rows.withColumn("raw", F.expr("IF(size(reasons) > 0, raw, NULL)"))
            rows = rows.persist(kept_as(count))
            at_the_end.callback(rows.unpersist)
            verdicts = _verdicts(rows, drops, contract)
            judged = _part(rows, staged, verdicts, kept_as(count))
        yield judged


def apply_rules(staged: DataFrame, contract: Contract) -> DataFrame:
    """Ask each rule of each row, and select what snapshots and quarantine need.

    Args:
        staged: see :func:`streaming.decode.staging.staged_schema`.
        contract: the rules.

    Returns:
        The snapshot columns, ``path``, ``raw``, ``reasons`` (of cells, quarantine and refuse rules,
        or the problem alone where the row could not be read) and ``refusals``.
    """
    warn, quarantine, refuse = (
        _names_of([rule for rule in contract.rules if rule.then is action], contract)
        for action in (Action.WARN, Action.QUARANTINE, Action.REFUSE)
    )
    kept = [name for name in TABLES[SNAPSHOTS].column_names if name != "warnings"]
    return ask(
        staged.sparkSession,
        f"""
        SELECT {", ".join(kept)}, path, raw,
            CASE WHEN problem IS NOT NULL THEN {_NOTHING}
                ELSE concat(warnings, {warn}) END AS warnings,
            CASE WHEN problem IS NOT NULL THEN array(problem)
                ELSE concat(reasons, {quarantine}, {refuse}) END AS reasons,
            CASE WHEN problem IS NOT NULL THEN {_NOTHING}
                ELSE concat(refusals, {refuse}) END AS refusals
        FROM {{staged}}
        """,
        staged=staged,
    )


def expand(rule: Rule, contract: Contract) -> list[tuple[str, str]]:
    """List a rule's predicates as ``(name, SQL)``, one for each column that it is asked of.

    The name of a rule that is asked of columns says which: ``future_date: first_order_date``.
    """
    if not rule.columns and not rule.types:
        return [(rule.name, rule.when)]
    names = rule.columns or contract.of_type(*rule.types)
    return [(f"{rule.name}: {name}", rule.when.replace("{value}", name)) for name in names]


def _names_of(rules: Sequence[Rule], contract: Contract) -> str:
    """SQL: an array of the names of those of these rules that are true for the row."""
    asked = [each for rule in rules for each in expand(rule, contract)]
    if not asked:
        return _NOTHING
    # A predicate may end with a comment.
    names = ", ".join(f"CASE WHEN ({when}\n) THEN '{name}' END" for name, when in asked)
    names = names.replace("{", "{{").replace("}", "}}")  # `sql` puts frames between single ones
    # A filter would say the same, but Spark compiles no code for it, nor for what is in it.
    return f"array_except(array({names}), array(CAST(NULL AS STRING)))"


def _verdicts(
    rows: DataFrame, drops: Mapping[str, DecodedDrop], contract: Contract
) -> dict[str, Verdict]:
    counted = ask(
        rows.sparkSession,
        """
        SELECT drop_id, count(*) AS n, count_if(size(reasons) > 0) AS bad,
            first(get(refusals, 0), true) AS refusal
        FROM {rows} GROUP BY drop_id
        """,
        rows=rows,
    ).collect()
    refusals = {row["drop_id"]: _refusal(row, contract) for row in counted}
    too_bad = [drop for drop, why in refusals.items() if why and why.startswith(TOO_MANY)]
    main = _main_reasons(rows, drops, too_bad) if too_bad else {}
    told = {drop: f"{why}; {main[drop]}" if drop in main else why for drop, why in refusals.items()}
    return {row["drop_id"]: Verdict(row["bad"], told[row["drop_id"]]) for row in counted}


def _refusal(counts: Row, contract: Contract) -> str | None:
    """Say why a drop is refused, if it is."""
    if counts["refusal"]:
        return f"refused: at least one row meets the rule '{counts['refusal']}'"
    if counts["bad"] > contract.max_bad_share * counts["n"]:
        return (
            f"{TOO_MANY}: {counts['bad']} of {counts['n']} rows were not accepted, "
            f"more than the contract's {contract.max_bad_share:.0%}"
        )
    return None


def _main_reasons(
    rows: DataFrame, drops: Mapping[str, DecodedDrop], of: Sequence[str]
) -> dict[str, str]:
    """Say why most of the rows of some drops are not accepted, and where the first of each is."""
    bad = rows.where(F.col("drop_id").isin(list(of)))
    counted = ask(
        rows.sparkSession,
        """
        SELECT drop_id, reason, count(*) AS n, min(row_no) AS at
        FROM (SELECT drop_id, row_no, explode(reasons) AS reason FROM {bad})
        GROUP BY drop_id, reason ORDER BY n, reason DESC
        """,
        bad=bad,
    )
    # The last of a drop is its most frequent one.
    return {row["drop_id"]: _tell(row, drops[row["drop_id"]]) for row in counted.collect()}


def _tell(counts: Row, found: DecodedDrop) -> str:
    reason = counts["reason"]
    if reason in found.examples:
        reason, where = reason.partition(":")[0], found.examples[reason]
    else:
        where = f"row {counts['at']:,}"
    return f"{counts['n']} of them: {reason}, such as {where}"


def _part(
    rows: DataFrame, staged: DataFrame, verdicts: Mapping[str, Verdict], kept: StorageLevel
) -> Judgement:
    """Part the rows; every row of a refused drop has a reason, beside its own ones."""
    refused = sorted(drop_id for drop_id, verdict in verdicts.items() if verdict.refusal)
    is_refused = F.col("drop_id").isin(refused)
    is_bad = F.size("reasons") > 0
    bad = rows.where(is_bad & ~is_refused)
    if refused:
        bad = bad.unionByName(_refuse(rows.where(is_refused), staged.where(is_refused)))
    return Judgement(
        accepted=rows.where(~is_bad & ~is_refused).selectExpr(*TABLES[SNAPSHOTS].column_names),
        quarantined=bad.withColumn("quarantined_at", F.current_timestamp()).selectExpr(
            *TABLES[QUARANTINE].column_names
        ),
        verdicts=verdicts,
        kept=kept,
    )


def _refuse(rows: DataFrame, staged: DataFrame) -> DataFrame:
    """Give each row of refused drops a reason, beside its own ones, and its text again."""
    return ask(
        rows.sparkSession,
        """
        SELECT judged.* EXCEPT (reasons, raw), coalesce(judged.raw, staged.raw) AS raw,
            concat(reasons, array('drop_refused')) AS reasons
        FROM {rows} AS judged LEFT JOIN (SELECT drop_id, row_no, raw FROM {staged}) AS staged
            ON staged.drop_id = judged.drop_id AND staged.row_no = judged.row_no
        """,
        rows=rows,
        staged=staged,
    )
