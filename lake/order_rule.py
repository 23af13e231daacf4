"""The order rule that the features were made by, kept as a property of their table.

A features row is compared with newer snapshots by places that are in it. Those are worth nothing
under another rule, so that one is refused until all rows are made anew.
"""

from __future__ import annotations

from pyspark.sql import SparkSession

from lake.contract import Contract
from lake.errors import ConfigError
from lake.settings import Settings
from lake.tables import FEATURES, newest_snapshot, table_path

ORDER_RULE = "flo.order_rule"


def require_order_rule(spark: SparkSession, settings: Settings, contract: Contract) -> None:
    """Make sure that the features were made by the contract's order rule.

    Raises:
        ConfigError: by another one; a table that tells none is taken as it is.
    """
    made_by = read_order_rule(spark, settings)
    if made_by not in (None, contract.order_rule):
        raise ConfigError(
            f"The features were made by another order rule than the contract {settings.contract} "
            f"says: '{made_by}', and now '{contract.order_rule}'. Stop the stream and run "
            "`flo rebuild`, or change the contract back."
        )


def read_order_rule(spark: SparkSession, settings: Settings) -> str | None:
    """Read the rule that the features were made by; None where they tell none."""
    configuration = newest_snapshot(spark, settings, FEATURES).metadata().configuration()
    return str(configuration.apply(ORDER_RULE)) if configuration.contains(ORDER_RULE) else None


def write_order_rule(spark: SparkSession, settings: Settings, contract: Contract) -> None:
    """Note that all features are made by the contract's rule, where that is not noted yet."""
    if read_order_rule(spark, settings) != contract.order_rule:
        table = f"delta.`{table_path(settings, FEATURES)}`"
        noted = f"'{ORDER_RULE}' = '{contract.order_rule}'"
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({noted})")
