"""Which rows the tables' own constraints refuse, found before Delta does.

Delta refuses the whole commit where one row breaks a constraint, so a batch would fail at each try.
Whoever adds one to a table of this lake means the rows: those go to quarantine, each with
``table_constraint: <name>`` as its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.causes import condition_of
from lake.contract import Contract
from lake.delta import newest_snapshot
from lake.errors import ConfigError
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, TABLES, table_path
from streaming.features import DERIVED, FILLED, filled

log = structlog.get_logger()

REASON = "table_constraint"

_PREFIX = "delta.constraints."
_NOT_NULL = " is not null"
_ANSI = "spark.sql.ansi.enabled"
# What our own constraint comes to for a row by itself: no totals are needed to see that.
_OWN_IN_SHORT = " AND ".join(
    ["master_id IS NOT NULL", *(f"coalesce({name}, 0) >= 0" for name in FILLED)]
)


@dataclass(frozen=True)
class Constraints:
    """The constraints of the two tables that accepted rows go to, by name: SQL predicates."""

    snapshots: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spark: SparkSession, settings: Settings) -> Constraints:
        """Read them from the tables as they are now."""
        snapshots, features = (_read(spark, settings, name) for name in (SNAPSHOTS, FEATURES))
        for name, own in TABLES[FEATURES].constraints.items():
            # Delta writes the blanks in it its own way.
            if features.get(name, "").split() == own.split():
                del features[name]
                snapshots[name] = _OWN_IN_SHORT
        return cls(snapshots, features)

    def refuse(self, rows: DataFrame, contract: Contract) -> DataFrame:
        """Give each row that the rules accept, but a constraint does not, its name as a reason.

        A row is seen as if it were its customer's only one: so the order in which drops come does
        not matter. Where a constraint on the features puts a column in relation to others, and a
        row's drop lacked that column, it may come from any other row: it counts as refused.

        Args:
            rows: of :func:`streaming.rows.apply_rules`.
            contract: which columns a drop may lack.
        """
        if not self.snapshots and not self.features:
            return rows
        with _raising_nothing(rows.sparkSession):
            seen = rows.withColumn("_refused", _names(self.snapshots))
            if self.features:
                seen = self._ask_features(seen, contract)
        accepted = F.size("reasons") == 0
        reasons = F.when(accepted, F.col("_refused")).otherwise(F.col("reasons"))
        return seen.withColumn("reasons", reasons).drop("_refused")

    def _ask_features(self, rows: DataFrame, contract: Contract) -> DataFrame:
        """Ask the constraints of the features of rows that are completed as they would be."""
        replaced = [*FILLED, "platform_type"]
        view = rows.withColumns({f"_own_{name}": F.col(name) for name in replaced})
        view = view.withColumns({name: F.expr(filled(name)) for name in FILLED})
        view = view.withColumns({name: F.expr(value) for name, value in DERIVED.items()})
        unknown = {"updated_at": F.current_timestamp(), "value_places": F.lit(None)}
        view = view.withColumns(unknown)
        asked = _names(self.features, lambda when: _related(when, contract))
        view = view.withColumn("_refused", F.concat("_refused", asked))
        own = view.withColumns({name: F.col(f"_own_{name}") for name in replaced})
        return own.selectExpr(*rows.columns)


def refuse_other_constraints(spark: SparkSession, settings: Settings) -> None:
    """Make sure that quarantine and ledger take every row: theirs have nowhere else to go.

    Raises:
        ConfigError: somebody has added a constraint to one of them.
    """
    for name in (QUARANTINE, LEDGER):
        for added in _read(spark, settings, name):
            table = f"delta.`{table_path(settings, name)}`"
            remedy = f"DROP CONSTRAINT {added}"
            if added.endswith(_NOT_NULL):
                remedy = f"ALTER COLUMN {added.removesuffix(_NOT_NULL)} DROP NOT NULL"
            raise ConfigError(
                f"The table {name} has a constraint, {added}. A row that breaks it could go "
                f"nowhere, so the stream takes nothing in: ALTER TABLE {table} {remedy}."
            )


def carry_constraints(spark: SparkSession, old: Settings, new: Settings) -> None:
    """Have tables that are made anew refuse what the old ones do, as a site has added it.

    What a site says of columns of its own is left out, with a warning: the new tables have none.
    """
    for name in (SNAPSHOTS, FEATURES):
        for added, when in _read(spark, old, name).items():
            if added in TABLES[name].constraints or added.endswith(_NOT_NULL):
                continue
            table = f"delta.`{table_path(new, name)}`"
            try:
                spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT {added} CHECK ({when})")
            except AnalysisException as error:
                log.warning("constraint left out", table=name, name=added, why=condition_of(error))


def _read(spark: SparkSession, settings: Settings, name: str) -> dict[str, str]:
    newest = newest_snapshot(spark, settings, name)
    if newest.version() < 0:  # it is lost, and is made anew with these
        return dict(TABLES[name].constraints)
    # As text, it is one call to Java.
    metadata = json.loads(newest.metadata().json())["metaData"]
    found = {
        key.removeprefix(_PREFIX): when
        for key, when in metadata["configuration"].items()
        if key.startswith(_PREFIX)
    }
    columns = json.loads(metadata["schemaString"])["fields"]
    needed = [column["name"] for column in columns if not column["nullable"]]
    return found | {f"{column}{_NOT_NULL}": f"`{column}` IS NOT NULL" for column in needed}


def _names(
    constraints: Mapping[str, str], related: Callable[[str], Column] | None = None
) -> Column:
    """An array of the names of those that a row breaks: NULL is no yes, as Delta has it."""
    broken = []
    for name, when in constraints.items():
        holds = F.coalesce(F.expr(when), F.lit(False))
        if related is not None:
            holds = holds & related(when)
        broken.append(F.when(~holds, f"{REASON}: {name}"))
    if not broken:
        return F.array().cast("array<string>")
    return F.array_except(F.array(*broken), F.array(F.lit(None).cast("string")))


def _related(when: str, contract: Contract) -> Column:
    """Tell whether all columns that a predicate puts in relation are of the row's own drop."""
    words = set(re.findall(r"\w+", when.lower()))
    named = words & set(TABLES[FEATURES].column_names)
    if len(named) < 2:
        return F.lit(True)
    given = {"platform_type" if name == "platform_type_derived" else name for name in named}
    optional = [F.lit(name) for name in sorted(given & set(contract.optional))]
    if not optional:
        return F.lit(True)
    return F.size(F.array_except(F.array(*optional), "present")) == 0


@contextmanager
def _raising_nothing(spark: SparkSession) -> Iterator[None]:
    """Have what is built in the block give NULL where a value cannot be read, and not raise."""
    before = spark.conf.get(_ANSI)
    spark.conf.set(_ANSI, "false")
    try:
        yield
    finally:
        spark.conf.set(_ANSI, str(before))
