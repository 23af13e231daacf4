"""A contender as the benchmark sees it: a process that is started once and then takes orders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from bench.errors import BenchError
from bench.places import LOGS, ROOT


class Contender:
    """One contender's process. Between two orders it waits and does nothing."""

    def __init__(
        self, name: str, python: Path, module: str, environment: Mapping[str, str]
    ) -> None:
        """Start it; what it says besides answers goes to ``build/bench/logs``."""
        self.name = name
        LOGS.mkdir(parents=True, exist_ok=True)
        self._log = LOGS / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", module], cwd=ROOT, env=dict(environment), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._orders = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Give an order and wait for the answer.

        Raises:
            BenchError: it failed or ended; the message says where its log is.
        """
        try:
            self._orders.write(json.dumps({"do": what, **arguments}) + "\n")
            self._orders.flush()
            line = self._answers.readline()
        except OSError:
            line = ""
        if not line:
            raise BenchError(f"{self.name} ended at '{what}'; it says why in {self._log}.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchError(f"{self.name} failed at '{what}': {answer['error']}")
        return answer

    def close(self) -> None:
        """End it, and whatever it started."""
        with suppress(BrokenPipeError):
            self._orders.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
