"""The order rule that the features were made by, kept as a property of their table.

A features row is compared with newer snapshots by places that are in it. Those are worth nothing
under another rule, so that one is refused until all rows are made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from lake.conflicts import retry_conflicts
from lake.contract import Contract
from lake.delta import read_property
from lake.errors import ConfigError
from lake.settings import Settings
from lake.tables import FEATURES, table_path

ORDER_RULE = "flo.order_rule"


def require_order_rule(spark: SparkSession, settings: Settings, contract: Contract) -> None:
    """Make sure that the features were made by the contract's order rule.

    Raises:
        ConfigError: by another one; a table that tells none is taken as it is.
    """
    made_by = read_property(spark, settings, FEATURES, ORDER_RULE)
    if made_by not in (None, contract.order_rule):
        raise ConfigError(
            f"The features were made by another order rule than the contract {settings.contract} "
            f"says: '{made_by}', and now '{contract.order_rule}'. Stop the stream and run "
            "`flo rebuild`, or change the contract back."
        )


@contextmanager
def making_anew(spark: SparkSession, settings: Settings, contract: Contract) -> Iterator[None]:
    """Have the features tell the contract's rule once the block, which makes them by it, is done.

    Until then they tell one that is no contract's: killed in between, they may be of either.
    """
    is_another = read_property(spark, settings, FEATURES, ORDER_RULE) != contract.order_rule
    if is_another:
        _write(spark, settings, f"being made anew by: {contract.order_rule}")
    yield
    if is_another:
        _write(spark, settings, contract.order_rule)


def _write(spark: SparkSession, settings: Settings, rule: str) -> None:
    table = f"delta.`{table_path(settings, FEATURES)}`"
    alter = f"ALTER TABLE {table} SET TBLPROPERTIES ('{ORDER_RULE}' = '{rule}')"
    retry_conflicts(lambda: spark.sql(alter), FEATURES)
