"""Java's archive of Spark's loaded classes: a start maps it, and need not read and check them.

``make setup`` has it made (``flo/class_archive.py``). Java uses it only where the class path begins
as it did then, with no directory in it. Spark's own begins with two of them, so what is archived is
named once more, before. Where anything differs (another Java, a changed jar), Java reads the jars.

Source: the tool specification of the ``java`` command, "Application Class-Data Sharing".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyspark

from lake.settings import PROJECT

FILE = PROJECT / ".jars" / "classes.jsa"
_CLASS_PATH = "spark.driver.extraClassPath"
_JAVA_OPTIONS = "SPARK_SUBMIT_OPTS"


def class_path() -> str:
    """The class path of all programs that use the archive: the jars of Spark, and ours."""
    jars = Path(pyspark.__file__).parent / "jars"
    return os.pathsep.join((f"{jars}/*", f"{FILE.parent / 'spark'}/*"))


def declare() -> None:
    """Have each JVM that this process starts look for the archive, if there is one."""
    given = os.environ.get(_JAVA_OPTIONS, "")
    if FILE.is_file() and str(FILE) not in given:
        # Without a word where it does not fit: nothing is wrong then.
        ours = f"-XX:SharedArchiveFile={FILE} -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off"
        os.environ[_JAVA_OPTIONS] = f"{given} {ours}".strip()


def with_archive(options: Mapping[str, str]) -> dict[str, str]:
    """Add to a driver's options the class path that the archive fits, before what is in them."""
    if not FILE.is_file():
        return dict(options)
    path = os.pathsep.join(filter(None, (class_path(), options.get(_CLASS_PATH))))
    return {**options, _CLASS_PATH: path}
