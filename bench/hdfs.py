"""The sandbox's HDFS for the measures that need it, and the real programs on it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

import psutil

from bench import spark_conf
from bench.environments import clean_environment
from bench.errors import BenchError
from bench.places import LOGS, ROOT, SANDBOX
from lake.fs import FileSystem
from lake.session import open_file_system
from lake.settings import Settings
from lake.tables import FEATURES
from sandbox import Sandbox

_BIN = Path(sys.executable).parent
_DROP = re.compile(r"^timestamp=(\S+) .*\bevent=drop\b", re.M)


class Hdfs:
    """A sandbox of the benchmark's own, and a client that is always there."""

    def __init__(self) -> None:
        """Bring it up."""
        self.sandbox = Sandbox(SANDBOX)
        self.fs = str(self.sandbox.up().fs)
        settings = Settings.load().model_copy(update={"var": SANDBOX})
        self.files: FileSystem = open_file_system(settings)

    def environment(self, root: str, **further: str) -> dict[str, str]:
        """What a program of ours runs with on a lake under ``root``."""
        path = f"{_BIN}{os.pathsep}{os.environ['PATH']}"
        return clean_environment(
            {"FLO_VAR": str(SANDBOX), "FLO_ROOT": root, "PATH": path, **further}
        )

    def daemons(self) -> list[int]:
        """Process numbers of the sandbox's daemons."""
        return [each.pid for each in self.sandbox.status().daemons if each.pid is not None]

    def put(self, file: Path, landing: str) -> float:
        """Copy a file under a hidden name, rename it, and tell when that was."""
        hidden = f"{landing}/._{file.name}._COPYING_"
        self.files.upload(file, hidden)
        renamed = time.time()
        self.files.rename(hidden, f"{landing}/{file.name}")
        return renamed

    def version(self, table: str) -> int:
        """Newest version of a Delta table; -1 where there is none."""
        names = (info.name for info in self.files.list(f"{table}/_delta_log"))
        return max((int(name[:20]) for name in names if re.fullmatch(r"\d{20}\.json", name)),
                   default=-1)  # fmt: skip

    def await_rows(self, table: str, after: int, seconds: float = 600) -> float:
        """Wait for the first commit after a version that adds a drop's rows; tell its time.

        From then on whoever asks through Spark SQL sees them. The time is that of the commit's
        file, in seconds since 1970, so that waiting for it does not make it later.
        """
        version = after + 1
        while True:
            path = f"{table}/_delta_log/{version:020d}.json"
            wait_for(partial(self.files.exists, path), path, seconds, pause=0.02)
            info, text = self.files.status(path), self.files.read_text(path) or ""
            if info is not None and any(_adds_rows(line) for line in text.splitlines()):
                return info.modified_ms / 1000
            version += 1

    def close(self) -> None:
        """Stop the daemons and remove their data."""
        self.sandbox.wipe()


def _adds_rows(line: str) -> bool:
    operation = json.loads(line).get("commitInfo", {}).get("operation", "")
    return operation in ("MERGE", "STREAMING UPDATE", "WRITE")


class Program:
    """A stream as a process of its own, whose log is read."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start it."""
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{name}.log"
        self.started = time.time()
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def tree(self) -> list[psutil.Process]:
        """Its processes."""
        try:
            one = psutil.Process(self.process.pid)
            return [one, *one.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_for(self, text: str, count: int = 1, seconds: float = 600) -> None:
        """Wait until its log has a text so many times."""

        def said() -> bool:
            found = self.log.read_text("utf-8", "replace").count(text) >= count
            if not found and self.process.poll() is not None:
                raise BenchError(f"A stream ended without '{text}'; it says why in {self.log}.")
            return found

        wait_for(said, f"'{text}' in {self.log}", seconds)

    def drop_times(self) -> list[float]:
        """When each drop was done, in seconds since 1970."""
        text = self.log.read_text("utf-8", "replace")
        return [datetime.fromisoformat(stamp).timestamp() for stamp in _DROP.findall(text)]

    def rest(self) -> None:
        """Hold it, so that it takes nothing from the one that is timed."""
        for each in self.tree():
            each.suspend()

    def go_on(self) -> None:
        """Let it run again."""
        for each in self.tree():
            each.resume()

    def stop(self, seconds: float = 60) -> None:
        """Ask it to end; end it where that takes too long."""
        self.go_on()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(timeout=30)


def flo_stream(hdfs: Hdfs, root: str, *flags: str, **further: str) -> Program:
    """Start `flo stream` as an operator does."""
    name = f"flo-stream{root.replace('/', '-')}"
    return Program(name, [str(_BIN / "flo"), "stream", *flags], hdfs.environment(root, **further))


def stock_stream(hdfs: Hdfs, root: str) -> Program:
    """Start the stock recipe as an operator does; Spark, Delta and Hadoop have their defaults."""
    environment = clean_environment(
        {
            "SPARK_CONF_DIR": str(spark_conf.stock_conf()),
            "HADOOP_CONF_DIR": str(spark_conf.stock_hadoop(hdfs.fs)),
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
        }
    )
    recipe = str(ROOT / "bench" / "recipes" / "stock_stream.py")
    places = [f"{root}/{each}" for each in ("landing", "table", "checkpoint")]
    return Program(
        f"stock-stream{root.replace('/', '-')}",
        [str(_BIN / "spark-submit"), recipe, *places],
        environment,
    )


def features_of(root: str) -> str:
    """Where a lake's features are."""
    return f"{root}/tables/{FEATURES}"


def wait_for(
    condition: Callable[[], object], what: str, seconds: float, pause: float = 0.1
) -> None:
    """Wait until a condition is true.

    Raises:
        BenchError: it took too long.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise BenchError(f"{what} did not come within {seconds:.0f} s.")
        time.sleep(pause)
