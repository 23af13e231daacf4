"""A short set of real kills; `make faults` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faults.harness import torture
from tests.lakes import DropLake

pytestmark = pytest.mark.integration


def test_a_few_kills_leave_no_trace(
    spark: SparkSession, environment: dict[str, str], tmp_path: Path, lake: DropLake
) -> None:
    """Killed at three points with SIGKILL, the tables are what the oracle says."""
    result = torture(spark, environment, range(1, 4), tmp_path, lake, 14, finish_here=True)
    assert len(result.killed) == 3
    assert result.differences == {}
