"""``flo sql`` and ``flo kpis``: answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flo.options import Conf, Output, example, settings_for
from flo.output import Format, print_frame, print_rows, say
from lake.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from lake.settings import Settings

_SAME_IN_ALL_ROWS = ("features_version", "computed_at")
# Spark's condition: the database of global temporary views cannot be the current one.
_NO_CURRENT = "_LEGACY_ERROR_TEMP_1068"
_SQL = example(
    'flo sql "SELECT * FROM flo.channel_kpis"',
    'flo sql --as-of 2026-03-01 "SELECT count(*) FROM flo.customer_features"',
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("flo kpis", "flo kpis --format csv"))(kpis)
    app.command(epilog=_SQL)(sql)


def kpis(
    ctx: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Count all customers, even if nothing is new.")
    ] = False,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Bring the KPI tables to the newest features, from what changed in them, and print them."""
    settings = settings_for(ctx, conf)
    from batch.kpis.tables import read_kpis
    from batch.kpis_job import compute_kpis, describe
    from lake.session import build_session

    spark = build_session(settings, "flo-kpis")
    say(describe(compute_kpis(spark, settings, full=full)))
    rows = read_kpis(spark, settings)
    if output is Format.TABLE:
        _print_each(rows)
    else:
        print_frame(rows, output)


def _print_each(kpis: DataFrame) -> None:
    """Print the KPI tables one below the other, each with its own columns, for reading."""
    from batch.kpis.tables import KPI_TABLES
    from flo.spark_rows import read_rows
    from lake.tables import TABLES

    rows = list(read_rows(kpis))
    for name in KPI_TABLES:
        own = [row for row in rows if row[kpis.columns.index("kpi_table")] == name]
        shown = [c for c in TABLES[name].column_names if c not in _SAME_IN_ALL_ROWS]
        places = [kpis.columns.index(column) for column in shown]
        print_rows(shown, [[row[place] for place in places] for row in own], title=name)


def sql(
    ctx: typer.Context,
    statement: Annotated[
        str,
        typer.Argument(help="One statement, or several with `;` between; `-` reads them."),
    ],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DROP_ID|TIME",
            help="Ask all tables as they were when that drop was done, or then.",
        ),
    ] = None,
    conf: Conf = None,
    output: Output = Format.TABLE,
) -> None:
    """Run Spark SQL over the tables, by name (flo.customer_features, …).

    Of several statements the last one's result is printed.
    """
    from batch.questions.statements import split_statements

    statements = split_statements(sys.stdin.read() if statement == "-" else statement)
    if not statements:
        raise ConfigError('There is no statement; try: flo sql "SHOW TABLES IN flo".')
    settings = settings_for(ctx, conf)
    _run(_open(settings, as_of), statements, output)


def _open(settings: Settings, as_of: str | None) -> SparkSession:
    """Open a session in which the tables have their names, and say what they are."""
    from lake.session import build_session

    if as_of is None:
        return build_session(settings, "flo-sql", names=True, short=True)
    from batch.questions.ask import NAMES, lake_names

    named = settings.model_copy(update={"spark": {**settings.spark, **NAMES}})
    spark = build_session(named, "flo-sql", short=True)
    asked = lake_names(spark, settings, as_of)
    say(f"As of {asked.at.isoformat()}.")
    for note in asked.notes:
        say(note)
    return spark


def _run(spark: SparkSession, statements: list[str], output: Format) -> None:
    from pyspark.errors import PySparkException

    from flo.failures import StatementError

    try:
        for earlier in statements[:-1]:
            _ask(spark, earlier)
        result = _ask(spark, statements[-1])
        if result.columns:
            print_frame(result, output)
    except PySparkException as error:
        raise StatementError from error


def _ask(spark: SparkSession, statement: str) -> DataFrame:
    from pyspark.errors import AnalysisException

    try:
        return spark.sql(statement)
    except AnalysisException as error:
        if error.getCondition() != _NO_CURRENT:
            raise
        raise ConfigError(
            "That database cannot be the current one; leave the USE out, and give the whole names "
            "of its tables, such as flo.drops."
        ) from None
