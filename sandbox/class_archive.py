"""Have Java make its archive of Spark's classes, once for each Java and set of jars."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sandbox.jars import digest

ARCHIVE, KEY = "classes.jsa", "classes.key"
#: The exit code of ``flo.class_archive`` where Java makes none, which another try will not change.
NONE_MADE = 4


def key_of(places: Iterable[Path]) -> str:
    """Return what changes when one of these is another or changes.

    Of a file its content counts, of a directory (of jars) its time.
    """
    found = hashlib.sha256()
    for each in places:
        state = digest(each) if each.is_file() else each.stat().st_mtime_ns
        found.update(f"{each}\n{state}\n".encode())
    return found.hexdigest()


def is_due(folder: Path, key: str) -> bool:
    """Tell whether there is no archive for this key, and Java was not found to make none."""
    noted = folder / KEY
    words = noted.read_text("utf-8").split() if noted.is_file() else []
    if words == [key]:
        return not (folder / ARCHIVE).is_file()
    return words != [key, "none"]


def make(python: Path, root: Path, folder: Path, java: Path, key: str) -> None:
    """Run ``flo.class_archive``, which says itself what is wrong; note how it went."""
    command = [str(python), "-m", "flo.class_archive"]
    environment = {**os.environ, "JAVA_HOME": str(java)}
    with subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.wait()  # it was interrupted, too, and has to end its Java first
            raise
    if code in (0, NONE_MADE):
        (folder / KEY).write_text(f"{key} none" if code else key, "utf-8")
