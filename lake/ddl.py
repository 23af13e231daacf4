"""Make the Delta tables, and give those that are there what they lack."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession

from lake.contract import load_contract
from lake.delta import delta_log, has_table, newest_snapshot
from lake.format import FORMAT, PROPERTY, require_format
from lake.java import java_class, scala_object, to_map, to_seq
from lake.order_rule import ORDER_RULE
from lake.settings import Settings
from lake.tables import FEATURES, LEDGER, TABLES, Table, properties_of, retention, table_path

_ACTIONS = "org.apache.spark.sql.delta.actions"


def create_tables(spark: SparkSession, settings: Settings) -> list[str]:
    """Create the tables that do not exist, and return their names.

    Raises:
        ConfigError: those that are there are of another format.
    """
    require_format(spark, settings)
    made = []
    for table in TABLES.values():
        if not has_table(spark, settings, table.name):
            _create(spark, settings, table)
            made.append(table.name)
    set_properties(spark, settings)
    return made


def _create(spark: SparkSession, settings: Settings, table: Table) -> None:
    """Make an empty table in one commit, with all that it is to have.

    SQL's CREATE TABLE makes the same commit, a second later, and cannot add a constraint in it.
    """
    jvm: Any = spark._jvm
    none = scala_object(jvm, "scala.None")
    configuration = _properties_of(table, settings) | {
        f"delta.constraints.{name}": condition for name, condition in table.constraints.items()
    }
    metadata = java_class(jvm, f"{_ACTIONS}.Metadata")(
        str(uuid4()),
        None,
        None,
        java_class(jvm, f"{_ACTIONS}.Format")("parquet", to_map(jvm, {})),
        table.schema.json(),
        to_seq(jvm, []),
        to_map(jvm, configuration),
        java_class(jvm, "scala.Some")(int(time.time() * 1000)),
    )
    transaction = delta_log(spark, settings, table.name).startTransaction(none, none)
    transaction.updateMetadataForNewTable(metadata)
    create = java_class(jvm, "org.apache.spark.sql.delta.DeltaOperations$CreateTable")
    transaction.commit(to_seq(jvm, []), create(transaction.metadata(), False, False, none))


def _properties_of(table: Table, settings: Settings) -> dict[str, str]:
    properties = properties_of(table, settings)
    if table.name == FEATURES:
        properties[ORDER_RULE] = load_contract(settings.contract).order_rule
    if table.name == LEDGER:
        properties[PROPERTY] = str(FORMAT)
    return properties


def set_properties(spark: SparkSession, settings: Settings) -> list[str]:
    """Give the tables that are there the properties and constraints they lack; return which.

    An older version of this program, another ``keep_days``, or a crash right after a table was
    made may have left some out. What an operator has set otherwise stays, and where nothing is
    lacking, nothing is written.
    """
    changed = []
    kept = retention(settings)
    for table in TABLES.values():
        snapshot = newest_snapshot(spark, settings, table.name)
        if snapshot.version() < 0:
            continue
        there = snapshot.metadata().configuration()
        lacking = [
            f"'{key}' = '{value}'"
            for key, value in _properties_of(table, settings).items()
            if not there.contains(key) or (key in kept and there.apply(key) != value)
        ]
        changes = [f"SET TBLPROPERTIES ({', '.join(lacking)})"] if lacking else []
        changes += [
            f"ADD CONSTRAINT {name} CHECK ({condition})"
            for name, condition in table.constraints.items()
            if not there.contains(f"delta.constraints.{name}")
        ]
        for change in changes:
            spark.sql(f"ALTER TABLE delta.`{table_path(settings, table.name)}` {change}")
        if changes:
            changed.append(table.name)
    return changed
