"""What the README tells people to type works, in its order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sandbox import Sandbox
from tests.processes import ROOT

pytestmark = pytest.mark.integration

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language in the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    return [body for name, body in _BLOCK.findall(text) if name == language]


@pytest.mark.timeout(900)
def test_every_command_of_the_readme_works(environment: dict[str, str], tmp_path: Path) -> None:
    """All `sh` blocks, one after the other in one shell, end well; the answers are printed."""
    var = tmp_path / "var"
    env = {**environment, "FLO_VAR": str(var)}
    script = "set -euo pipefail\n" + "\n".join(blocks("sh"))
    script = script.replace("var/samples", str(tmp_path / "samples"))
    try:
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=800, check=False,
        )  # fmt: skip
    finally:
        Sandbox(var).wipe()
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stderr
    assert "flo_0001_full.csv" in done.stdout
    assert "channel_kpis" in done.stdout


def test_the_consoles_commands_exist() -> None:
    """Commands that a test cannot run to their end (`console` blocks) are there at least."""
    targets = (ROOT / "Makefile").read_text("utf-8")
    for line in "".join(blocks("console")).splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["make"]:
            assert f"\n{words[1]}:" in targets, line
        elif words:
            assert words[:2] == ["flo", "stream"], f"make '{line}' a command that is tested"


def test_every_column_of_every_table_is_named(spark: SparkSession) -> None:
    """The README names all tables and all their columns."""
    from lake.tables import TABLES

    text = (ROOT / "README.md").read_text("utf-8")
    for table in TABLES.values():
        if table.name == "customer_snapshots":
            continue  # described by the drop's own columns
        for column in (table.name, *table.column_names):
            assert f"`{column}`" in text, f"{table.name}.{column}"
