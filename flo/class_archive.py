"""``python -m flo.class_archive``: have Java make its archive of Spark's classes (a minute, once).

The first stream that ends starts this in the background; ``make test`` waits for it. Without the
archive all works, only that Spark takes some seconds longer to start.

A driver's own command line is taken, as Spark's launcher writes it, with the class path of the
archive in place of its own, which has directories: Java makes no archive of those.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import structlog

from lake import class_archive
from lake.settings import CONF, PROJECT, Settings
from sandbox.bootstrap import ivy_jar
from sandbox.errors import SandboxError
from sandbox.jars import digest
from sandbox.java import find_java
from sandbox.lock import locked

JOB = Path(__file__).with_name("class_archive_job.py")
# Long, as it runs at the lowest priority, maybe beside the next stream.
_SECONDS = 1800
#: The shell starts it and ends at once: it is no child of ours, and holds none of our streams.
#: Isolated (-I), it does not take PySpark from the zip that spark-submit puts before all else.
_IN_BACKGROUND = 'nice -n 19 "$2" -I -m flo.class_archive </dev/null >>"$1" 2>&1 &'


def main() -> int:
    """Make the archive, unless there is one for this Java and these jars.

    Returns:
        0, also where this Java makes none; 130 where it was interrupted; 2 for what another try
        may change.
    """
    try:
        with locked(_beside(".lock"), patience=_SECONDS, holder="python -m flo.class_archive"):
            return _make(find_java())
    except KeyboardInterrupt:
        return 130
    except (OSError, subprocess.SubprocessError, SandboxError) as error:
        why = type(error).__name__ if isinstance(error, subprocess.SubprocessError) else error
        _say(f"Java's archive of classes was not made: {why}; it is tried again another time.")
        return 2


def start_if_due(settings: Settings) -> None:
    """Start it in the background where the archive is due; nobody waits for it, nothing fails.

    Only where the sandbox is the project's own, and `make setup` was run: a lake for a trial or a
    test, and a cluster, are left without further processes.
    """
    ours = settings.var.resolve() == PROJECT / "var" and class_archive.FILE.parent.is_dir()
    log = _beside(".log")
    try:
        if not (ours and is_due(key_of(find_java()))):
            return
        subprocess.run(
            ["/bin/sh", "-c", _IN_BACKGROUND, "sh", str(log), sys.executable],
            cwd=PROJECT, start_new_session=True, check=True, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, SandboxError) as error:
        structlog.get_logger().warning("archiving no classes", why=str(error))
        return
    structlog.get_logger().info("archiving classes", where="in the background", log=str(log))


def key_of(java: Path) -> str:
    """Return what changes when Java, the jars, or what is run to make the archive do."""
    # Not by way of `pyspark`: a driver that spark-submit started has that from a zip.
    jars = (ivy_jar().parent, class_archive.FILE.parent / "spark")
    return _key((java / "bin" / "java", *jars, Path(class_archive.__file__), JOB))


def _key(places: Iterable[Path]) -> str:
    """Of a file its content counts, of a directory (of jars) its time."""
    found = hashlib.sha256()
    for each in places:
        state = digest(each) if each.is_file() else each.stat().st_mtime_ns
        found.update(f"{each}\n{state}\n".encode())
    return found.hexdigest()


def is_due(key: str) -> bool:
    """Tell whether there is no archive for this key, and Java was not found to make none."""
    noted = _beside(".key")
    words = noted.read_text("utf-8").split() if noted.is_file() else []
    return words != [key, "none"] and not (words == [key] and class_archive.FILE.is_file())


def _beside(suffix: str) -> Path:
    """Name the archive's own lock, log, or note of the key that it was made for."""
    return class_archive.FILE.with_suffix(suffix)


def _make(java: Path) -> int:
    key, log = key_of(java), _beside(".log")
    if not is_due(key):
        return 0
    _say("Java archives Spark's classes, for quicker starts (a minute, once).")
    class_archive.FILE.unlink(missing_ok=True)
    folder = class_archive.FILE.parent
    for left in folder.glob("classes-*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="classes-", dir=folder) as name:
        draft = Path(name) / class_archive.FILE.name
        if _run_job(Path(name), java, f"-XX:ArchiveClassesAtExit={draft}", log):
            _say(f"Java's archive of classes was not made: {log} says why.")
            return 2
        if made := draft.is_file():
            draft.replace(class_archive.FILE)
            log.unlink()
        else:
            _say(f"This Java makes no archive of classes, see {log}: all works without.")
    _beside(".key").write_text(key if made else f"{key} none", "utf-8")
    return 0


def _run_job(scratch: Path, java: Path, option: str, log: Path) -> int:
    environment = _environment(scratch, java)
    command = _command(environment, option)
    with log.open("a") as said:
        return subprocess.run(
            command, env=environment, cwd=scratch, check=False, timeout=_SECONDS,
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        ).returncode  # fmt: skip


def _say(message: str) -> None:
    from flo.output import say  # a job of Spark's imports this module where Rich is not

    say(message)


def _environment(scratch: Path, java: Path) -> dict[str, str]:
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
        "JAVA_HOME": str(java),
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
