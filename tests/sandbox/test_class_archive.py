"""The archive of Spark's classes is made when it is due, and not again and again."""

import os
from pathlib import Path

import pytest

from sandbox import class_archive
from sandbox.class_archive import ARCHIVE, NONE_MADE


def test_the_key_changes_with_java_and_with_the_jars(tmp_path: Path) -> None:
    """Another Java, another place, and a directory with other jars each give another key."""
    jars = tmp_path / "jars"
    jars.mkdir()
    java = tmp_path / "java"
    java.touch()
    keys = {class_archive.key_of((java, jars)), class_archive.key_of((java,))}
    os.utime(java, ns=(0, 0))
    assert class_archive.key_of((java, jars)) in keys
    os.utime(jars, ns=(0, 0))
    keys.add(class_archive.key_of((java, jars)))
    java.write_text("other")
    keys.add(class_archive.key_of((java, jars)))
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("code", "due"),
    [(0, False), (1, True), (2, True), (NONE_MADE, False), (130, True)],
)
def test_a_try_is_repeated_only_where_that_may_help(tmp_path: Path, code: int, due: bool) -> None:
    """A full disk passes; a Java that makes no archive makes none tomorrow."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    python.chmod(0o755)
    assert class_archive.is_due(tmp_path, "a")
    (tmp_path / ARCHIVE).touch()
    class_archive.make(python, tmp_path, tmp_path, tmp_path, "a")
    assert class_archive.is_due(tmp_path, "a") is due
    assert class_archive.is_due(tmp_path, "b")


def test_a_lost_archive_is_made_again(tmp_path: Path) -> None:
    """Whoever removes the file gets another one."""
    (tmp_path / class_archive.KEY).write_text("a")
    assert class_archive.is_due(tmp_path, "a")
