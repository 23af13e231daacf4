"""The report: from the tables to one HTML file."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from pyspark.sql import SparkSession

from batch.reporting.figures import Figures
from batch.reporting.gather import gather_figures
from lake.errors import ConfigError, NotFoundError
from lake.settings import Settings


def check_target(out: Path) -> None:
    """Refuse to write where no file can be, before anything is computed.

    Raises:
        ConfigError: there is a directory of that name.
        NotFoundError: its directory does not exist.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a directory; name a file in it.")
    if not out.parent.is_dir():
        raise NotFoundError(f"There is no directory {out.parent}; make it, or name another.")


def write_report(spark: SparkSession, settings: Settings, out: Path) -> Figures:
    """Write the report of what the tables hold now, and return its figures.

    An earlier report of that name stays until the new one is whole. A stream may run meanwhile.

    Raises:
        NotFoundError: there are no tables yet, or no directory for the file.
        ConfigError: the file cannot be a file.
    """
    # Drawing needs packages that a cluster's job has no use for.
    from batch.reporting.page import render_page

    check_target(out)
    figures = gather_figures(spark, settings)
    draft = out.with_name(f".{out.name}.{uuid4().hex[:8]}")
    try:
        draft.write_text(render_page(figures), "utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return figures
