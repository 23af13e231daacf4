"""The KPI tables and their history: what they show, and how a run's rows get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis.formulas import channel_kpis, channel_platform_kpis, platform_kpis
from batch.kpis.notes import pack_note, read_note
from batch.kpis.numbers import KEYS_OF, Key, Numbers, Rows
from lake.delta import read_table, table_version
from lake.fs import FileSystem, from_micros
from lake.local_rows import local_frame
from lake.settings import Settings
from lake.tables import (
    CHANNEL_KPIS,
    CHANNEL_PLATFORM_KPIS,
    KPI_HISTORY,
    PLATFORM_KPIS,
    TABLES,
    table_path,
)

# What each table must be, computed from the customers themselves: what `flo verify` goes by.
KPI_TABLES: dict[str, Callable[[DataFrame], DataFrame]] = {
    CHANNEL_KPIS: channel_kpis,
    PLATFORM_KPIS: platform_kpis,
    CHANNEL_PLATFORM_KPIS: channel_platform_kpis,
}

_KEYS = ("order_channel", "platform_type")


@dataclass(frozen=True)
class Shown:
    """What a KPI table shows.

    Attributes:
        features_version: of which features.
        computed_at: when they were computed, in microseconds since 1970.
    """

    features_version: int
    computed_at: int


def read_kpis(spark: SparkSession, settings: Settings) -> DataFrame:
    """Read all KPI tables as one, in the columns of the history."""
    frames = [_as_history(read_table(spark, settings, name), name) for name in KPI_TABLES]
    union = reduce(DataFrame.unionByName, frames)
    order = {name: position for position, name in enumerate(KPI_TABLES)}
    places = F.create_map(*(F.lit(each) for pair in order.items() for each in pair))
    return union.orderBy(places[F.col("kpi_table")], *_KEYS).select(
        *TABLES[KPI_HISTORY].column_names
    )


def find_shown(spark: SparkSession, settings: Settings) -> dict[str, Shown]:
    """Find what the KPI tables show; one without rows shows nothing."""
    files, shown, silent = FileSystem.of(spark), {}, []
    for name in KPI_TABLES:
        note = read_note(files, settings, name, table_version(spark, settings, name))
        if note is None:
            silent.append(name)
        else:
            shown[name] = Shown(**note)
    return shown | (_ask(spark, settings, silent) if silent else {})


def _ask(spark: SparkSession, settings: Settings, names: Sequence[str]) -> dict[str, Shown]:
    """Ask the tables themselves, where their last commit does not say it."""
    frames = [
        read_table(spark, settings, name).select(
            F.lit(name).alias("name"), "features_version", F.unix_micros("computed_at").alias("at")
        )
        for name in names
    ]
    rows = reduce(DataFrame.unionByName, frames).collect()
    return {row["name"]: Shown(row["features_version"], row["at"]) for row in rows}


def write_run(spark: SparkSession, settings: Settings, rows: Rows, run: Shown) -> None:
    """Add a run's rows to the history, then have the KPI tables show them, and no others.

    Args:
        spark: the session.
        settings: where the tables are.
        rows: of each table that is to be written, by key.
        run: which features they are of, and when they were computed.
    """
    labelled = {name: _label(of_table, run) for name, of_table in rows.items()}
    _append_history(spark, settings, labelled)
    # Most of a small commit is waiting, so that three together take little longer than one.
    with ThreadPoolExecutor(len(KPI_TABLES)) as pool:
        written = [
            pool.submit(_show, spark, settings, name, own, run) for name, own in labelled.items()
        ]
        for each in written:
            each.result()


def _label(rows: Mapping[Key, Numbers], run: Shown) -> list[tuple[Any, ...]]:
    """Put the rows of a table in order, and say of each which run it is of."""
    at = from_micros(run.computed_at)
    ordered = sorted(rows, key=lambda key: [(each is not None, each or "") for each in key])
    return [(*key, *rows[key], run.features_version, at) for key in ordered]


def _append_history(
    spark: SparkSession, settings: Settings, rows: Mapping[str, list[tuple[Any, ...]]]
) -> None:
    history = []
    for name, of_table in rows.items():
        own = KEYS_OF[name]
        for row in of_table:
            keys = [row[own.index(each)] if each in own else None for each in range(len(_KEYS))]
            history.append((name, *keys, *row[len(own) :]))
    _save(spark, settings, KPI_HISTORY, history, "append")


def _show(
    spark: SparkSession, settings: Settings, name: str, rows: list[tuple[Any, ...]], run: Shown
) -> None:
    _save(spark, settings, name, rows, "overwrite", pack_note(asdict(run)))


def _save(
    spark: SparkSession,
    settings: Settings,
    name: str,
    rows: list[tuple[Any, ...]],
    mode: str,
    metadata: str = "",
) -> None:
    frame = local_frame(spark, rows, TABLES[name].schema).coalesce(1)
    writer = frame.write.format("delta").mode(mode).option("userMetadata", metadata)
    writer.save(table_path(settings, name))


def _as_history(kpis: DataFrame, name: str) -> DataFrame:
    known = {**{key: F.lit(None).cast("string") for key in _KEYS}, "kpi_table": F.lit(name)}
    return kpis.select(
        *(
            F.col(column) if column in kpis.columns else known[column].alias(column)
            for column in TABLES[KPI_HISTORY].column_names
        )
    )
