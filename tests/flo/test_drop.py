"""``flo drop`` puts a file into landing under its own name, or one that begins with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flo import cli
from tests.lakes import DropLake, csv, row


def test_a_name_as_long_as_may_be_is_dropped_twice(
    lake: DropLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """255 bytes: it is copied under a hidden name that fits, and the second gets one that does."""
    monkeypatch.setenv("FLO_ROOT", lake.settings.root)
    monkeypatch.setattr("lake.session.open_file_system", lambda _: lake.files)
    file = tmp_path / f"{'m' * 251}.csv"
    file.write_text(csv(row("c1")))
    for _ in range(2):
        assert CliRunner().invoke(cli.app, ["drop", str(file)]).exit_code == 0
    landed = [info.name for info in lake.files.list(lake.settings.landing)]
    assert len(landed) == 2
    assert file.name in landed
    assert all(len(name.encode()) <= 255 and name.startswith("m" * 200) for name in landed)
    assert sorted(each["state"] for each in lake.take()) == ["duplicate", "ingested"]
