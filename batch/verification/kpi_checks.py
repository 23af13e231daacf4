"""Whether the KPI tables are what the features that they name give."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.kpis.formulas import NUMBERS
from batch.kpis.numbers import ValuesError
from batch.kpis.tables import KPI_TABLES
from batch.kpis.values import (
    BAND_KEYS,
    VALUE_KEYS,
    Values,
    count_values,
    read_values,
    total_by_band,
)
from batch.verification.differences import Difference, compare_rows, count_findings
from lake.delta import is_gone, read_table, table_version
from lake.settings import Settings
from lake.tables import FEATURES, KPI_VALUES

CHECK = "kpis"


@dataclass(frozen=True)
class KpiCheck:
    """What came of the KPI tables: how many rows each has, and what could not be compared."""

    differences: tuple[Difference, ...]
    rows: Mapping[str, int]
    notes: tuple[str, ...]


def check_kpis(spark: SparkSession, settings: Settings) -> KpiCheck:
    """Compare each KPI table with the KPIs of the version of the features that it names.

    - A table without rows was never computed, which is no difference.
    - It names one version, and one that there is. A version that upkeep has removed since
      cannot be asked any more, which is no difference either.
    - The counts that the next run goes on from are compared in the same way.
    """
    shown = {
        name: read_table(spark, settings, name, table_version(spark, settings, name))
        for name in KPI_TABLES
    }
    counts = _count_versions(shown)
    newest = table_version(spark, settings, FEATURES)
    differences: list[Difference] = []
    notes: list[str] = []
    by_version: dict[int, list[str]] = defaultdict(list)
    for name, versions in counts.items():
        version = next(iter(versions))
        if len(versions) > 1 or version is None or version > newest:
            differences.append(Difference(CHECK, name, "features_version", versions.total()))
        else:
            by_version[version].append(name)
    values = _read_values(spark, settings)
    if values is not None:
        by_version[values.features_version].append(KPI_VALUES)
    for version, names in by_version.items():
        try:
            features = read_table(spark, settings, FEATURES, version)
            differences += _compare(features, {n: shown[n] for n in names if n in shown})
            if values is not None and KPI_VALUES in names:
                differences += _compare_values(features, values)
        except (PySparkException, Py4JJavaError) as error:
            if not is_gone(error):
                raise
            notes.append(_tell_not_kept(names, version))
    rows = {name: versions.total() for name, versions in counts.items()}
    return KpiCheck(tuple(differences), rows, tuple(notes))


def _count_versions(shown: Mapping[str, DataFrame]) -> dict[str, Counter[int | None]]:
    """Count the rows of each table by the version that they name; without those that have none."""
    frames = [
        frame.groupBy("features_version").count().withColumn("name", F.lit(name))
        for name, frame in shown.items()
    ]
    counts: dict[str, Counter[int | None]] = defaultdict(Counter)
    for row in reduce(DataFrame.unionByName, frames).collect():
        counts[row["name"]][row["features_version"]] = row["count"]
    return {name: counts[name] for name in shown if name in counts}


def _compare(features: DataFrame, shown: Mapping[str, DataFrame]) -> list[Difference]:
    if not shown:
        return []
    findings = []
    for name, frame in shown.items():
        expected = KPI_TABLES[name](features)
        keys = [column for column in expected.columns if column not in NUMBERS]
        findings.append(compare_rows(expected, frame, keys, CHECK, name))
    return count_findings(findings)


def _read_values(spark: SparkSession, settings: Settings) -> Values | None:
    try:
        return read_values(spark, settings)
    except ValuesError:
        return None  # the next run counts all customers


def _compare_values(features: DataFrame, values: Values) -> list[Difference]:
    expected = count_values(features)
    bands = total_by_band(expected)
    return count_findings(
        [
            compare_rows(expected, values.by_value, VALUE_KEYS, CHECK, KPI_VALUES),
            compare_rows(bands, values.by_band, BAND_KEYS, CHECK, KPI_VALUES),
        ]
    )


def _tell_not_kept(names: list[str], version: int) -> str:
    return (
        f"{', '.join(names)}: of version {version} of {FEATURES}, which is no longer kept, so not "
        "compared; `flo kpis` computes them anew."
    )
