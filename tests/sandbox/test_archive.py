"""The archive of Spark's classes is made when it is due, and not again and again."""

import os
from pathlib import Path

from sandbox import archive


def test_the_key_changes_with_java_and_with_the_jars(tmp_path: Path) -> None:
    """Another Java, another place, and a directory with other jars each give another key."""
    jars = tmp_path / "jars"
    jars.mkdir()
    java = tmp_path / "java"
    java.touch()
    keys = {archive.key_of((java, jars)), archive.key_of((java,))}
    os.utime(jars, ns=(0, 0))
    keys.add(archive.key_of((java, jars)))
    os.utime(java, ns=(0, 0))
    keys.add(archive.key_of((java, jars)))
    assert len(keys) == 4


def test_a_try_is_made_once_for_each_key(tmp_path: Path) -> None:
    """What failed would fail again: it is due when something has changed, and not before."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert archive.is_due(tmp_path, "a")
    assert not archive.make(python, tmp_path, tmp_path, tmp_path, "a")
    assert not archive.is_due(tmp_path, "a")
    assert archive.is_due(tmp_path, "b")
