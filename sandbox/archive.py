"""Have Java make its archive of Spark's classes, once for each Java and set of jars."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

KEY = "classes.key"


def key_of(places: Iterable[Path]) -> str:
    """Return what changes when one of these (Java, directories of jars) is another or changes."""
    parts = [f"{each}:{each.stat().st_mtime_ns}" for each in places]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_due(folder: Path, key: str) -> bool:
    """Tell whether no try was made with this key yet: one that failed is not made again."""
    noted = folder / KEY
    return not noted.is_file() or noted.read_text("utf-8") != key


def make(python: Path, root: Path, folder: Path, java: Path, key: str) -> bool:
    """Run ``flo.class_archive`` and note the key; tell whether there is an archive now."""
    run = subprocess.run(
        [str(python), "-m", "flo.class_archive"],
        cwd=root, env={**os.environ, "JAVA_HOME": str(java)}, stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    (folder / KEY).write_text(key, "utf-8")
    return run.returncode == 0
