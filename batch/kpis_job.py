"""The KPI job: from one version of the features to the KPI tables and their history.

Runs inside ``flo kpis`` and ``flo stream --kpis``, or by itself::

    spark-submit batch/kpis_job.py [--conf FILE] [--full]
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Spark puts this script's folder first on the path, where its modules would stand for
    # others of their name; the packages are one level up, or in the zip that came along.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    if (_here.parent / "lake").is_dir():
        sys.path.insert(0, str(_here.parent))

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from batch.kpis.numbers import Rows, ValuesError, compute_rows
from batch.kpis.tables import KPI_TABLES, Shown, find_shown, write_run
from batch.kpis.values import Values, add_changes, count_anew
from lake.causes import condition_of, recognise, tell
from lake.conflicts import CONFLICTS, retry_conflicts
from lake.delta import require_table, table_version
from lake.errors import FloError
from lake.session import build_session
from lake.settings import Settings
from lake.sizing import sized_for
from lake.tables import FEATURES

log = structlog.get_logger()


@dataclass(frozen=True)
class KpiRun:
    """What a run did.

    Attributes:
        features_version: the version of the features that all KPI tables now show.
        computed: the tables that were written; those that showed the version already are not.
        counted: why all customers were counted; empty where it was enough to read what changed.
    """

    features_version: int
    computed: tuple[str, ...]
    counted: str = ""


def compute_kpis(spark: SparkSession, settings: Settings, *, full: bool = False) -> KpiRun:
    """Bring the KPI tables to the newest version of the features.

    - Of the features only what changed is read; see `batch.kpis.values`. Where that is not enough
      (the first run, a feed that is no longer kept, other features in their place, counts that do
      not add up), or with `full`, all customers are counted.
    - All tables are computed from one and the same version.
    - Each table shows a run whole or not at all; a run that ended between two tables is
      completed by the next one.
    - A table that shows the version already is left alone, unless `full`. A compaction is a new
      version, too: the rows are written again under its number.
    - The history receives each run's rows once, before a table shows them.

    Raises:
        NotFoundError: the tables do not exist yet.
        TransientError: other runs kept getting in between.

    Example:
        >>> compute_kpis(spark, settings)
        KpiRun(features_version=7, computed=('channel_kpis', …), counted='')
    """
    require_table(spark, settings, FEATURES)
    return retry_conflicts(lambda: _run(spark, settings, full), "the KPI tables")


def _run(spark: SparkSession, settings: Settings, full: bool) -> KpiRun:
    version = table_version(spark, settings, FEATURES)
    shown = find_shown(spark, settings)
    if not full and not _find_due(shown, version):
        return KpiRun(version, ())
    values, rows, why = _compute(spark, settings, version, full)
    # Another run may have been here, and have gone further already.
    version = values.features_version
    due = list(KPI_TABLES) if full else _find_due(shown, version)
    # A run is known by its time: later than those before, even after the clock was put back.
    now = max([time.time_ns() // 1000, *(each.computed_at + 1 for each in shown.values())])
    with sized_for(sum(len(rows[name]) for name in due), spark):
        write_run(spark, settings, {name: rows[name] for name in due}, Shown(version, now))
    return KpiRun(version, tuple(due), why)


def _find_due(shown: Mapping[str, Shown], version: int) -> list[str]:
    return [
        name for name in KPI_TABLES if name not in shown or shown[name].features_version != version
    ]


def _compute(
    spark: SparkSession, settings: Settings, version: int, full: bool
) -> tuple[Values, Rows, str]:
    """Compute all rows, from what changed if that is possible; else say why not."""
    why = "asked for"
    if not full:
        try:
            values = add_changes(spark, settings, version)
            return values, compute_rows(values), ""
        except CONFLICTS:
            raise
        except (ValuesError, PySparkException, Py4JJavaError) as error:
            # Where HDFS does not answer, counting all customers would not go better.
            if recognise(error, "The changes of the features") is not None:
                raise
            why = _tell(error)
            log.info("all customers are counted", why=why)
    values = count_anew(spark, settings, version)
    return values, compute_rows(values), why


def _tell(error: Exception) -> str:
    """Say what was in the way, by Spark's own name for it."""
    if isinstance(error, ValuesError):
        return str(error)
    return f"what changed cannot be read: {condition_of(error)}"


def describe(run: KpiRun) -> str:
    """Say what a run did, as one sentence."""
    if not run.computed:
        return (
            f"The KPIs are at version {run.features_version} of {FEATURES} already; "
            "--full computes them again."
        )
    how = f"from all customers ({run.counted})" if run.counted else "from what changed"
    return f"Computed {', '.join(run.computed)} at version {run.features_version}, {how}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job by itself; see the exit codes of ``flo``."""
    parser = argparse.ArgumentParser(prog="kpis_job.py", description="Compute the KPI tables.")
    parser.add_argument("--conf", type=Path, metavar="FILE", help="settings file")
    parser.add_argument(
        "--full", action="store_true", help="count all customers, even if nothing is new"
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load(options.conf)
        spark = build_session(settings, "flo-kpis")
        try:
            run = compute_kpis(spark, settings, full=options.full)
        finally:
            spark.stop()
    except FloError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (PySparkException, Py4JError) as error:
        known = recognise(error, "The KPIs cannot be computed")
        print(known or f"The KPIs cannot be computed: {tell(error)}.", file=sys.stderr)
        return known.exit_code if known else 2
    print(describe(run), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
