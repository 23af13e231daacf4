"""A contract's rules, tried before any drop is: over rows at the limits of every type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lake.causes import condition_of
from lake.contract import Contract, Rule
from lake.errors import ContractError
from lake.local_rows import local_frame
from streaming.decode.columns import INSTANTS
from streaming.decode.values import (
    FIRST_DAY,
    INSTANT,
    MAX_COUNT,
    MAX_MONEY,
    business_days,
)
from streaming.rows import apply_rules, staged_type

_SEEN = date(2021, 6, 30)
_TEXTS = ("A", None, "7", "'\"{}\\%", "ş" * 200)
_LIMITS: dict[str, tuple[Any, ...]] = {
    "id": _TEXTS,
    "text": _TEXTS,
    "count": (1, None, 0, MAX_COUNT),
    "money": (Decimal("1.50"), None, Decimal("0.00"), Decimal(MAX_MONEY)),
    "date": (_SEEN, None, FIRST_DAY, date(9999, 12, 31)),
    "check": (_SEEN, None, FIRST_DAY, date(9999, 12, 31)),
    "list": (["A"], None, [], [""] * 9),
}


# Once for a session, however often a stream begins anew in it.
@lru_cache(maxsize=4)
def require_sound_rules(spark: SparkSession, contract: Contract, path: Path) -> None:
    """Make sure that the rules can be asked of whatever a drop may hold.

    Args:
        spark: any session.
        contract: the rules.
        path: the contract's file.

    Raises:
        ContractError: a rule is no predicate over the columns, or raises on some row, and would
            stop every drop; or a row that the features cannot hold would be accepted.
    """
    _require_zone(contract, path)
    rows = _limit_rows(spark, contract)
    try:
        judged = apply_rules(rows, contract).select("master_id", "reasons").collect()
    except (PySparkException, Py4JJavaError) as error:
        raise _find_culprit(rows, contract, path, error) from None
    if any(row["master_id"] is None and not row["reasons"] for row in judged):
        raise ContractError(
            f"The contract {path} accepts rows without a master_id, which the features "
            'cannot hold: add a rule with when = "master_id IS NULL" and then = "quarantine".'
        )


def _require_zone(contract: Contract, path: Path) -> None:
    """Arrow reads the machine's own time zones, and Python may have others beside them."""
    try:
        business_days(pa.array([datetime.now(UTC)], INSTANT), contract.business_timezone)
    except pa.ArrowInvalid:
        raise ContractError(
            f"The contract {path}: the zone {contract.business_timezone} is not in this machine's "
            "database of time zones; install the package tzdata."
        ) from None


def _limit_rows(spark: SparkSession, contract: Contract) -> DataFrame:
    """Rows with each limit of each column, the others usual; and one of nothing at all."""
    schema = staged_type(contract)
    rows = [[row.get(name) for name in schema.names] for row in _each_limit(contract)]
    return local_frame(spark, rows, schema)


def _each_limit(contract: Contract) -> Iterator[dict[str, Any]]:
    usual = {name: _LIMITS[column.type][0] for name, column in contract.columns.items()}
    rest = dict.fromkeys(INSTANTS.values(), datetime(2021, 6, 30, tzinfo=UTC)) | {
        "row_no": 1, "raw": "", "reasons": [], "warnings": [], "refusals": [], "unreadable": [],
        "drop_id": "0" * 64, "path": "", "drop_day": _SEEN, "present": list(contract.columns),
        "drop_time": datetime(2021, 6, 30, tzinfo=UTC),
    }  # fmt: skip
    yield rest | usual
    yield rest | dict.fromkeys([*usual, *INSTANTS.values()]) | {"present": []}
    for name, column in contract.columns.items():
        for limit in _LIMITS[column.type][1:]:
            yield rest | usual | {name: limit}
        yield rest | usual | {name: None, "unreadable": [name]}


def _find_culprit(
    rows: DataFrame, contract: Contract, path: Path, error: Exception
) -> ContractError:
    """Say which rule it is, where it stands, and what to do."""
    rule, why = next(_raising(rows, contract), (contract.rules[0], error))
    return ContractError(
        f"The contract {path}, line {contract.line_of(rule)}: the rule '{rule.name}' "
        f"cannot be asked of every row ({condition_of(why)}). Name columns of the contract, and "
        "write what may fail so that it gives NULL: try_cast, try_divide and the like."
    )


def _raising(rows: DataFrame, contract: Contract) -> Iterator[tuple[Rule, Exception]]:
    for rule in contract.rules:
        try:
            apply_rules(rows, contract.model_copy(update={"rules": (rule,)})).collect()
        except (PySparkException, Py4JJavaError) as error:
            yield rule, error
