"""Java's archive of Spark's loaded classes: a start maps it, and need not read and check them.

The first stream that ends has it made (``flo/class_archive.py``). Java uses it only where the class
path begins as it did then, with no directory in it. Spark's own begins with a directory, so what is
archived is named before that. Where anything differs (another Java, a changed jar), Java reads the
jars.

Source: the tool specification of the ``java`` command, "Application Class-Data Sharing".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyspark

from lake.settings import PROJECT, spark_default

FILE = PROJECT / ".jars" / "classes.jsa"
SPARK_HOME = Path(pyspark.__file__).parent
_CLASS_PATH = "spark.driver.extraClassPath"
_JAVA_OPTIONS = "SPARK_SUBMIT_OPTS"
# Java takes one archive, and the last word on each of these.
_OF_ARCHIVES = ("-Xshare", "SharedArchiveFile", "ArchiveClassesAtExit")


def class_path() -> str:
    """The class path of all programs that use the archive: the jars of Spark, and ours."""
    return os.pathsep.join((f"{SPARK_HOME}/jars/*", f"{FILE.parent}/spark/*"))


def declare() -> None:
    """Have each JVM that this process starts look for the archive, where it is to be used."""
    given = os.environ.get(_JAVA_OPTIONS, "")
    if _is_used() and not any(each in given for each in _OF_ARCHIVES):
        # Without a word where it does not fit: nothing is wrong then. What is given has the last.
        ours = f'-XX:SharedArchiveFile="{FILE}" -Xlog:cds=off -Xlog:cds+dynamic=off'
        os.environ[_JAVA_OPTIONS] = f"{ours} {given}".strip()


def with_archive(options: Mapping[str, str]) -> dict[str, str]:
    """Add to a driver's options the class path that the archive fits, before what is in them."""
    if not _is_used():
        return dict(options)
    path = os.pathsep.join(filter(None, (class_path(), options.get(_CLASS_PATH))))
    return {**options, _CLASS_PATH: path}


def _is_used() -> bool:
    """Tell whether there is one, and a site has chosen neither another Spark nor other jars."""
    home = os.environ.get("SPARK_HOME")
    own_spark = home is None or Path(home).resolve() == SPARK_HOME.resolve()
    return FILE.is_file() and own_spark and not spark_default(_CLASS_PATH)
