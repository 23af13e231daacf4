"""How the KPIs of each group moved, from the history of the KPI runs."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from batch.reporting.figures import Course, Moment, Name

# A line of more points looks the same.
_MOMENTS = 60


def gather_courses(
    history: DataFrame, table: str, key: str, drops_at: Mapping[int, int]
) -> tuple[Course, ...]:
    """Follow the groups of one KPI table over the drops; those with most revenue now come first.

    Args:
        history: rows of ``kpi_history``.
        table: whose rows of it are looked at.
        key: the column that names a group.
        drops_at: how many drops each version of the features brought.
    """
    own = history.where(F.col("kpi_table") == table)
    versions = [row[0] for row in own.select("features_version").distinct().collect()]
    drops = choose_moments(versions, drops_at)
    # One version may have been computed several times, always with the same result.
    rows = (
        own.where(F.col("features_version").isin(sorted(drops)))
        .groupBy("features_version", key)
        .agg(
            F.max_by("total_customers", "computed_at").alias("customers"),
            F.max_by("total_revenue", "computed_at").alias("revenue"),
        )
        .orderBy("features_version")
        .collect()
    )
    moments: dict[Name, list[Moment]] = defaultdict(list)
    for row in rows:
        moment = Moment(drops[row["features_version"]], row["customers"], row["revenue"])
        moments[row[key]].append(moment)
    courses = [Course(name, tuple(each)) for name, each in moments.items()]
    return tuple(sorted(courses, key=lambda each: (-each.moments[-1].revenue, each.name or "")))


def choose_moments(versions: Sequence[int], drops_at: Mapping[int, int]) -> dict[int, int]:
    """Choose the versions to show, and say how many drops each of them has.

    - A version that has no more drops than one before it (a compaction is a version, too) takes
      that one's place.
    - Of very many, only so many are shown, evenly spread; the first and the newest always.
    """
    known = sorted(drops_at)
    totals = list(accumulate(drops_at[version] for version in known))
    by_drops: dict[int, int] = {}
    for version in sorted(versions):
        upto = bisect_right(known, version)
        if upto:
            by_drops[totals[upto - 1]] = version
    shown = sorted(by_drops)
    if len(shown) > _MOMENTS:
        step = (len(shown) - 1) / (_MOMENTS - 1)
        shown = [shown[round(place * step)] for place in range(_MOMENTS)]
    return {by_drops[drops]: drops for drops in shown}
