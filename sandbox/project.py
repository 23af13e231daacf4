"""Where the project's own files are: its jars, its environment, PySpark's jars."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from sandbox.errors import SandboxError

ROOT = Path(__file__).resolve().parent.parent


def jars_dir(kind: str) -> Path:
    """Return the directory of the pinned jars of one kind (`spark` or `sandbox`)."""
    base = Path(os.environ.get("FLO_JARS") or ROOT / ".jars")
    folder = base / kind
    if not any(folder.glob("*.jar")):
        raise SandboxError(f"{folder} holds no jars: run `make setup` first.")
    return folder


def pyspark_jars() -> Path:
    """Return the directory of the jars that come with PySpark."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise SandboxError("PySpark is not installed here: run `make setup` and use .venv/bin/flo.")
    return Path(next(iter(spec.submodule_search_locations))) / "jars"
