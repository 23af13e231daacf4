"""The project's programs as processes of their own, as people start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def run(
    *command: str, env: Mapping[str, str], timeout: float = 180, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment to its end; show what it said where it fails."""
    full = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(
        full, env=dict(env), capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def run_json(*command: str, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run a command that prints rows, and read them."""
    rows = json.loads(run(*command, "--format", "json", env=env).stdout)
    assert isinstance(rows, list)
    return rows


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Wait until a condition is true, and return what it gave."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


class Stream:
    """A running ``flo stream``; its whole process group is ours."""

    def __init__(self, log: Path, *arguments: str, env: Mapping[str, str]) -> None:
        self.log = log
        self.started_at = time.time()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(BIN / "flo"), "stream", *arguments],
                env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, cwd=ROOT,
            )  # fmt: skip

    def text(self) -> str:
        """What it has said so far."""
        return self.log.read_text("utf-8", "replace")

    def first_time_of(self, text: str) -> float | None:
        """When its log first said something, in seconds since 1970."""
        line = next((line for line in self.text().splitlines() if text in line), "")
        stamp = line.removeprefix("timestamp=").partition(" ")[0]
        return datetime.fromisoformat(stamp).timestamp() if stamp else None

    def wait_for(self, text: str, count: int = 1, seconds: float = 120) -> None:
        """Wait until its log has a text so many times."""

        def said() -> bool:
            if self.process.poll() is not None and self.text().count(text) < count:
                raise AssertionError(f"the stream ended without '{text}':\n{self.text()[-3000:]}")
            return self.text().count(text) >= count

        wait_for(said, f"'{text}' in {self.log.name}", seconds)

    def kill(self) -> None:
        """End the driver at once, as a power cut would: both halves, no goodbye."""
        pids = [each.pid for each in psutil.Process(self.process.pid).children(recursive=True)]
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the end of all", 30)

    def end(self, seconds: float = 60) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(timeout=seconds)

    def close(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=30)
