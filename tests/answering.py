"""``flo`` for a shell, answered by the test's own process: a command costs what it does, no start.

The shell finds a small program of that name, which hands over what was typed and prints what comes
back. For tests in which what a command does is proved, and not that it starts.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import structlog
from pyspark.sql import SparkSession

from flo import cli
from flo.logs import configure_logs
from lake.contract import load_contract
from lake.fs import FileSystem
from lake.settings import Settings
from lake.tables import DATABASE
from streaming.supervisor import Supervisor

_ASK = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1] in {started!r}:
    os.execv({flo!r}, [{flo!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    asked = dict(words=sys.argv[1:], folder=os.getcwd(), env=dict(os.environ))
    line.sendall(json.dumps(asked).encode())
    line.shutdown(socket.SHUT_WR)
    told = json.load(line.makefile())
sys.stdout.write(told["printed"])
sys.stderr.write(told["said"])
sys.exit(told["code"])
"""


class Answering:
    """The ``flo`` that a shell finds, and whoever answers it.

    Args:
        folder: where the small program is put; one of these at a time.
        started: commands that are programs of their own all the same.
    """

    def __init__(self, folder: Path, started: Iterable[str] = ()) -> None:
        address = str(folder / "flo.socket")
        self._programs = folder / "bin"
        self._programs.mkdir()
        program = self._programs / "flo"
        flo = str(Path(sys.executable).with_name("flo"))
        program.write_text(
            _ASK.format(python=sys.executable, address=address, started=set(started), flo=flo)
        )
        program.chmod(0o755)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(address)
        self._server.listen()
        self._server.settimeout(0.1)

    def path(self, env: Mapping[str, str]) -> dict[str, str]:
        """An environment in which it is found first."""
        return {**env, "PATH": f"{self._programs}{os.pathsep}{env['PATH']}"}

    def answer_next(self) -> None:
        """Answer the command that waits, if one does within a tenth of a second."""
        try:
            line, _ = self._server.accept()
        except TimeoutError:
            return
        with line, line.makefile() as asked:
            line.settimeout(None)
            line.sendall(json.dumps(_answer(**json.load(asked))).encode())

    def close(self) -> None:
        """Answer no more."""
        self._server.close()


def run_answered(
    script: str, *, folder: Path, env: Mapping[str, str], seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a script of a shell in a folder, answering its ``flo``, and return how it ended.

    Both streams are in ``stdout``, in the order in which a terminal would show them.
    """
    command = ["bash", "-c", f"set -euo pipefail\nexec 2>&1\n{script}"]
    with closing(Answering(folder)) as answering, subprocess.Popen(
        command, cwd=folder, env=answering.path(env), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ) as shell:  # fmt: skip
        while shell.poll() is None:
            answering.answer_next()
        said, _ = shell.communicate(timeout=seconds)
    return subprocess.CompletedProcess(command, shell.returncode, said)


def ask_json(*words: str, root: str) -> list[dict[str, Any]]:
    """Have this process answer a command that prints rows, on a lake, and read them."""
    answer = _answer([*words, "--format", "json"], str(Path.cwd()), {"FLO_ROOT": root})
    assert answer["code"] == 0, answer["said"]
    rows = json.loads(answer["printed"])
    assert isinstance(rows, list)
    return rows


def _answer(words: list[str], folder: str, env: dict[str, str]) -> dict[str, Any]:
    printed, said = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with ExitStack() as at_the_end:
        patch = at_the_end.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder)
        for name, value in env.items():
            if name.startswith("FLO_"):
                patch.setenv(name, value)
        patch.setattr(sys, "argv", ["flo", *words])
        # What only looks at files would start a Java of its own.
        patch.setattr("lake.session.open_file_system", lambda _: FileSystem.of(_session()))
        at_the_end.enter_context(redirect_stdout(printed))
        at_the_end.enter_context(redirect_stderr(said))
        logs = structlog.get_config()
        at_the_end.callback(structlog.configure, **logs)
        # The names are of this lake; the next command may be about another.
        at_the_end.callback(_session().sql, f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
        code = _run(words)
    texts = []
    for stream in (printed, said):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return {"printed": texts[0], "said": texts[1], "code": code}


def _session() -> SparkSession:
    session = SparkSession.getActiveSession()
    assert session is not None
    return session


def _run(words: list[str]) -> int:
    if words == ["stream", "--once"]:
        # The program would take the place of this one.
        configure_logs()
        settings = Settings.load()
        contract = load_contract(settings.contract)
        return Supervisor(_session(), settings, contract, once=True).run()
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
