"""The environments of the contenders that cannot live in the project's own; made once."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.places import BUILD, LAKES, ROOT
from sandbox import jars, packages
from sandbox.bootstrap import LOCK, VENV, ivy_jar
from sandbox.errors import SandboxError
from sandbox.java import find_java

NATIVE = BUILD / "native-venv"
ICEBERG = BUILD / "iceberg-venv"
_REQUIREMENTS = {
    NATIVE: ROOT / "bench" / "requirements-native.txt",
    ICEBERG: ROOT / "bench" / "requirements-iceberg.txt",
}
_JARS_LOCK = ROOT / "bench" / "jars-iceberg.lock"
_JARS = BUILD / "jars"
_STEERING = ("FLO_", "SPARK_", "PYSPARK_", "HADOOP_", "YARN_")


def native_python() -> Path:
    """Python with delta-rs and DuckDB."""
    return _environment(NATIVE)


def iceberg_python() -> Path:
    """Python with the PySpark that Iceberg's runtime is made for."""
    return _environment(ICEBERG)


def iceberg_jar() -> Path:
    """Iceberg's runtime for Spark, fetched with PySpark's Ivy and its SHA-256 checked."""
    pinned = jars.read_lock(_JARS_LOCK)
    if jars.missing(pinned, _JARS):
        _JARS.mkdir(parents=True, exist_ok=True)
        jars.install(pinned, _JARS_LOCK, _JARS, find_java(), ivy_jar())
    return jars.place(pinned[0], _JARS)


def clean_environment(further: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would steer Spark, Hadoop or flo, and ``further``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    return kept | {"JAVA_HOME": str(find_java())} | dict(further)


@contextmanager
def measuring() -> Iterator[None]:
    """Measure in this block: what this shell knows of a cluster or of other settings is not it.

    Asked to end (SIGTERM), the program ends what it has started, too. The lakes are removed after.
    """
    for name in [name for name in os.environ if name.startswith(_STEERING)]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        shutil.rmtree(LAKES, ignore_errors=True)


def _environment(place: Path) -> Path:
    """Make an environment from its hash-pinned requirements, unless it is there as they say."""
    requirements = _REQUIREMENTS[place]
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark, python = place / "made-of", place / "bin" / "python"
    if not (mark.is_file() and mark.read_text() == wanted and python.exists()):
        try:
            packages.make_environment(place)
            packages.install_locked(VENV, requirements, LOCK, venv=place)
        except SandboxError as error:
            raise BenchError(str(error)) from None
        packages.forget_fetched(place)
        mark.write_text(wanted)
    return python
