"""Terminals as people have them: each a shell that is typed into, one block after the other."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.processes import ROOT, wait_for


class Terminal:
    """A shell in the project's directory, which ends as soon as a command fails.

    All that it shows, of both of a program's streams, is in ``log``. While something is waited for,
    ``meanwhile`` is called again and again: to answer what was typed, for instance.
    """

    def __init__(
        self, log: Path, env: Mapping[str, str], meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        self.log = log
        self._meanwhile = meanwhile
        self._typed = 0
        with log.open("wb") as out:
            self._shell = subprocess.Popen(
                ["bash", "-euo", "pipefail"], env=dict(env), cwd=ROOT, encoding="utf-8",
                stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        """All that it has shown so far."""
        return self.log.read_text("utf-8", "replace")

    def type(self, block: str) -> None:
        """Type a block of commands, and do not wait for their end."""
        assert self._shell.stdin is not None
        self._typed += 1
        # What the shell is still to read is not for the programs that it runs.
        self._shell.stdin.write(f"{{\n{block}\n}} </dev/null\necho '{self._end}'\n")
        self._shell.stdin.flush()

    def run(self, block: str, seconds: float = 300) -> str:
        """Type a block, wait until all of it has ended well, and return what it showed."""
        shown = len(self.text())
        self.type(block)
        self.wait(seconds)
        return self.text()[shown:]

    def wait(self, seconds: float = 300) -> None:
        """Wait until what was typed last has ended well."""
        self.wait_for(self._end, seconds=seconds)

    def wait_for(self, words: str, count: int = 1, seconds: float = 300) -> None:
        """Wait until it has shown certain words so many times."""

        def is_shown() -> bool:
            self._meanwhile()
            # Asked first, so that nothing is missed that was shown just before the end.
            has_ended = self._shell.poll() is not None
            if self.text().count(words) >= count:
                return True
            assert not has_ended, f"no '{words}':\n{self.text()[-4000:]}"
            return False

        wait_for(is_shown, f"'{words}' in {self.log.name}", seconds)

    def interrupt(self, seconds: float = 120) -> int:
        """Press Ctrl-C: the command ends, and the shell with it; return its exit code."""
        os.killpg(self._shell.pid, signal.SIGINT)
        return self._shell.wait(timeout=seconds)

    def close(self) -> None:
        """Leave nothing running."""
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait(timeout=30)
        assert self._shell.stdin is not None
        self._shell.stdin.close()

    @property
    def _end(self) -> str:
        return f"── block {self._typed} has ended"
