"""Which Java is chosen, and what is said where there is none."""

from pathlib import Path

import pytest

from sandbox import java
from sandbox.errors import SandboxError


def make_home(folder: Path, version: str) -> Path:
    """Make something that looks like a Java home."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture(autouse=True)
def _no_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_HOMES", ())


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('JAVA_VERSION="17.0.15"\n', 17),
        ('IMPLEMENTOR="x"\nJAVA_VERSION="21"\n', 21),
        ('openjdk version "25.0.1" 2025-10-21\n', 25),
        ('java version "1.8.0_402"\n', 8),
        ('openjdk version "22-ea" 2024-03-19\n', 22),
        ("bash: java: command not found", None),
    ],
)
def test_version_is_read(text: str, major: int | None) -> None:
    """A Java's version is read from its release file or from what it prints."""
    assert java.parse_version(text) == major


@pytest.mark.parametrize("version", ["17.0.1", "21.0.4"])
def test_java_home_comes_first(tmp_path: Path, version: str) -> None:
    """A usable JAVA_HOME is used, whatever else is there."""
    home = make_home(tmp_path / "mine", version)
    other = make_home(tmp_path / "other", "17.0.9")
    assert java.find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin")}) == home


def test_another_java_is_no_obstacle(tmp_path: Path) -> None:
    """A machine whose JAVA_HOME is too new uses the Java 17 on its PATH."""
    new = make_home(tmp_path / "new", "25.0.1")
    old = make_home(tmp_path / "old", "17.0.1")
    assert java.find_java({"JAVA_HOME": str(new), "PATH": str(old / "bin")}) == old


@pytest.mark.parametrize(
    ("version", "said"), [("11.0.2", "JAVA_HOME is Java 11"), ("25", "JAVA_HOME is Java 25")]
)
def test_wrong_java_is_named(tmp_path: Path, version: str, said: str) -> None:
    """A wrong Java is one sentence that names it and the remedy, with exit code 2."""
    home = make_home(tmp_path / "home", version)
    with pytest.raises(SandboxError, match="Java 17 or 21 is needed") as caught:
        java.find_java({"JAVA_HOME": str(home), "PATH": str(tmp_path)})
    assert said in str(caught.value)
    assert "install one" in str(caught.value)
    assert caught.value.exit_code == 2


def test_no_java_is_said(tmp_path: Path) -> None:
    """A JAVA_HOME that holds nothing is named as such."""
    with pytest.raises(SandboxError, match="holds no Java that runs"):
        java.find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(tmp_path)})
