"""A running `flo serve`, and beeline, which asks it as a BI tool would."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lake.java import java_class
from tests.processes import BIN, ROOT, wait_for


class Server:
    """A running ``flo serve`` on a port of its own choice."""

    def __init__(self, log: Path, env: Mapping[str, str], *options: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(BIN / "flo"), "serve", "--port", "0", *options], env=dict(env), cwd=log.parent,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.url = wait_for(self._url, "a server that is ready")
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """The port that it chose."""
        return int(self.url.rsplit(":", 1)[1].partition("/")[0])

    def java_options(self) -> list[str]:
        """What its Java was started with."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        [java] = [each for each in children if each.name() == "java"]
        return java.cmdline()

    def _url(self) -> str:
        said = self.log.read_text("utf-8", "replace")
        assert self.process.poll() is None, said
        found = re.search(r"Ready at (\S+),", said)
        return found[1] if found else ""

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end of all its processes, and return the exit code."""
        all_of_it = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        _, alive = psutil.wait_procs(all_of_it, timeout=30)
        assert alive == []
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)


class Beeline:
    """A beeline that is asked one statement after the other."""

    def __init__(self, url: str, env: Mapping[str, str]) -> None:
        options = ("--silent=true", "--outputformat=tsv2", "--showHeader=false", "--force=true")
        self._process = subprocess.Popen(
            [str(BIN / "beeline"), "-u", url, *options], env=dict(env), cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._asked = 0

    def ask(self, statement: str) -> list[str]:
        """Return the lines of the answer, or of the error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked += 1
        end = f"answered {self._asked}"
        self._process.stdin.write(f"{statement};\nSELECT concat('answered ', {self._asked});\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.strip().endswith(end):
                return lines
            if not line.startswith(("0: jdbc", "WARNING: Using incubator")):  # what was typed
                lines.append(line.rstrip("\n"))
        raise AssertionError(f"beeline has ended: {lines}")

    def ask_number(self, statement: str) -> int:
        """Return the one number of an answer."""
        lines = self.ask(statement)
        [number] = [line for line in lines if line.strip().isdecimal()] or [str(lines)]
        return int(number)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Driver:
    """Hive's JDBC driver in the tests' own Java: what beeline asks with, without its start."""

    def __init__(self, spark: SparkSession, url: str, user: str = "", password: str = "") -> None:
        drivers = java_class(spark._jvm, "java.sql.DriverManager")
        self._connection: Any = drivers.getConnection(url, user, password)
        self._statement: Any = self._connection.createStatement()

    def ask(self, statement: str) -> str:
        """Return the first value of the answer, or state and message of the error."""
        try:
            rows = self._statement.executeQuery(statement)
            return str(rows.getString(1)) if rows.next() else ""
        except Py4JJavaError as error:
            java: Any = error.java_exception
            return f"{java.getSQLState()} {java.getMessage()}"

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
