"""The report: from the tables to one HTML file."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from pyspark.sql import SparkSession

from batch.reporting.figures import Figures
from batch.reporting.gather import gather_figures
from lake.errors import AccessError, ConfigError, NotFoundError, TransientError
from lake.settings import Settings


def check_target(out: Path) -> None:
    """Refuse to write where no file can be, before anything is computed.

    Raises:
        ConfigError: there is a directory of that name.
        NotFoundError: its directory does not exist.
        AccessError: nothing may be written there.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a directory; name a file in it.")
    if not out.parent.is_dir():
        raise NotFoundError(f"There is no directory {out.parent}; make it, or name another.")
    if not os.access(out.parent, os.W_OK):
        raise AccessError(f"Nothing may be written in {out.parent}; name a file elsewhere.")


def write_report(spark: SparkSession, settings: Settings, out: Path) -> Figures:
    """Write the report of what the tables hold now, and return its figures.

    An earlier report of that name stays until the new one is whole. A stream may run meanwhile.

    Raises:
        NotFoundError: there are no tables yet, or no directory for the file.
        ConfigError: the file cannot be a file.
        AccessError: nothing may be written there.
        TransientError: it does not fit on its disk, for instance.
    """
    # Drawing needs packages that a cluster's job has no use for.
    from batch.reporting.page import render_page

    check_target(out)
    figures = gather_figures(spark, settings)
    _replace(out, render_page(figures))
    return figures


def _replace(out: Path, page: str) -> None:
    draft = out.with_name(f".{out.name}.{uuid4().hex[:8]}")
    try:
        draft.write_text(page, "utf-8")
        draft.replace(out)
    except OSError as error:
        raise TransientError(
            f"{out} cannot be written ({error.strerror}); "
            "choose a directory that can be written and has room."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
