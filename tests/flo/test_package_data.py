"""A package that is built has the files that its modules read."""

from __future__ import annotations

import subprocess
import tomllib
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pytest

from tests.processes import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
PACKAGES = [pattern.rstrip("*") for pattern in SETUPTOOLS["packages"]["find"]["include"]]


def files_beside_modules() -> list[PurePosixPath]:
    """List what git tracks in the packages and Python would not take along by itself."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("no repository here")
    paths = map(PurePosixPath, listing.stdout.split("\0")[:-1])
    return [path for path in paths if path.suffix != ".py"]


def test_every_file_beside_a_module_is_package_data() -> None:
    """Each is in a package, and a pattern of that package names it."""
    patterns = SETUPTOOLS["package-data"]
    beside = files_beside_modules()
    forgotten = [
        path
        for path in beside
        if not (ROOT / path.parent / "__init__.py").is_file()
        or not any(
            fnmatchcase(path.name, pattern)
            for pattern in patterns.get(".".join(path.parent.parts), ())
        )
    ]
    assert forgotten == []
    assert len(beside) >= sum(map(len, patterns.values())), "a pattern names no file"
