"""``python -m flo.class_archive``: have Java make its archive of Spark's classes (a minute, once).

A driver's own command line is taken, as Spark's launcher writes it, with the class path of the
archive in place of its own, which has directories: Java makes no archive of those.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

from flo.output import say
from lake import class_archive
from lake.settings import CONF
from sandbox.java import find_java

JOB = Path(__file__).with_name("archive_job.py")
LOG = class_archive.FILE.with_suffix(".log")


def main() -> int:
    """Make the archive anew; without it all works, only that Spark starts some seconds later."""
    class_archive.FILE.unlink(missing_ok=True)
    draft = class_archive.FILE.with_suffix(".new")
    with tempfile.TemporaryDirectory(prefix="flo-archive-") as scratch:
        environment = _environment(Path(scratch))
        command = _command(environment, f"-XX:ArchiveClassesAtExit={draft}")
        with LOG.open("w") as log:
            run = subprocess.run(
                command, env=environment, cwd=scratch, check=False,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
    if run.returncode or not draft.is_file():
        say(f"Java made no archive of classes, and Spark will take longer to start: see {LOG}.")
        return 1
    draft.replace(class_archive.FILE)
    LOG.unlink()
    return 0


def _environment(scratch: Path) -> dict[str, str]:
    ours = ("FLO_", "SPARK_", "HADOOP_", "PYSPARK_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "FLO_FS": "file:///",
        "FLO_ROOT": str(scratch / "lake"),
        "FLO_VAR": str(scratch / "var"),
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(CONF),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_SCALA_VERSION": "2.13",  # asked for where a script does not look it up
    }


def _command(environment: dict[str, str], option: str) -> list[str]:
    """Ask Spark's launcher for the command line of a driver, and give it our class path."""
    launcher = (
        "org.apache.spark.launcher.Main", "org.apache.spark.deploy.SparkSubmit",
        "--master", "local[2]", str(JOB),
    )  # fmt: skip
    written = subprocess.run(
        [f"{environment['JAVA_HOME']}/bin/java", "-cp", class_archive.class_path(), *launcher],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    # It writes each word with a zero behind it; the first one is a blank line for a shell.
    words = written.stdout.strip("\0\n").split("\0")
    words[words.index("-cp") + 1] = class_archive.class_path()
    return [words[0], option, *words[1:]]


if __name__ == "__main__":
    sys.exit(main())
