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

from flo.output import say
from lake import class_archive
from lake.settings import CONF
from sandbox.class_archive import NONE_MADE
from sandbox.errors import SandboxError
from sandbox.java import find_java

JOB = Path(__file__).with_name("class_archive_job.py")
LOG = class_archive.FILE.with_suffix(".log")
_SECONDS = 600
_LATER = "Spark takes some seconds longer to start until then, and all works."


def main() -> int:
    """Make the archive anew; without it all works, only that Spark starts some seconds later.

    Returns:
        0, `NONE_MADE` where Java makes none, 130 where it was interrupted, and 2 for anything else
        that another try may change.
    """
    try:
        return _make()
    except KeyboardInterrupt:
        return 130
    except (OSError, subprocess.SubprocessError, SandboxError) as error:
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        say(f"Java's archive of classes was not made ({why}); `make setup` tries again. {_LATER}")
        return 2


def _make() -> int:
    class_archive.FILE.unlink(missing_ok=True)
    folder = class_archive.FILE.parent
    with tempfile.TemporaryDirectory(prefix="classes-", dir=folder) as name:
        scratch = Path(name)
        draft = scratch / class_archive.FILE.name
        environment = _environment(scratch)
        command = _command(environment, f"-XX:ArchiveClassesAtExit={draft}")
        with LOG.open("w") as log:
            run = subprocess.run(
                command, env=environment, cwd=scratch, check=False, timeout=_SECONDS,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        if run.returncode:
            say(f"Java's archive of classes was not made: see {LOG}, then `make setup`. {_LATER}")
            return 2
        if not draft.is_file():
            say(f"This Java makes no archive of classes, see {LOG}. {_LATER}")
            return NONE_MADE
        draft.replace(class_archive.FILE)
    LOG.unlink()
    return 0


def _environment(scratch: Path) -> dict[str, str]:
    """What the job is told: a lake in a directory of its own, and nothing of a site's settings."""
    settings = scratch / "settings.toml"
    settings.touch()
    ours = ("FLO_", "SPARK_", "HADOOP_", "PYSPARK_", "PYTHON", "JAVA_TOOL_OPTIONS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
        "FLO_CONF": str(settings),
        "FLO_FS": "file:///",
        "FLO_METRICS_ADDRESS": "",  # the port may be a stream's
        "FLO_ROOT": str(scratch / "lake"),
        "FLO_VAR": str(scratch / "var"),
        "JAVA_HOME": str(find_java()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(class_archive.SPARK_HOME),
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
        env=environment, check=True, capture_output=True, text=True, timeout=_SECONDS,
    )  # fmt: skip
    # It writes each word with a zero behind it; the first one is a blank line for a shell.
    words = written.stdout.strip("\0\n").split("\0")
    words[words.index("-cp") + 1] = class_archive.class_path()
    return [words[0], option, *words[1:]]


if __name__ == "__main__":
    sys.exit(main())
