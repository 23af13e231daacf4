"""The command line's commands, and command lines understood without being run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from flo.cli import app

Path = tuple[str, ...]
"""A command as it is typed after ``flo``: ``("sandbox", "up")``; the program itself is ``()``."""


def every_command() -> list[Path]:
    """List the program, its groups and its commands."""
    return list(_walk(get_command(app), ()))


def _walk(command: Any, path: Path) -> Iterator[Path]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, (*path, name))


def understand(line: str) -> list[Path]:
    """Parse a line that runs `flo` once or several times, and say which commands it runs.

    Raises what the command line raises of an option or an argument that is wrong.
    """
    return [_understand(shlex.split(part)) for part in re.split(r"&&|;", line)]


def _understand(words: list[str]) -> Path:
    assert words[0] == "flo", f"no command of ours: {words}"
    command: Any = get_command(app)
    path: Path = ()
    for at, word in enumerate(words[1:], 1):
        below = getattr(command, "commands", None)
        if below is None:
            command.make_context(word, words[at:])
            return path
        command, path = below[word], (*path, word)
    command.make_context(words[-1], [])
    return path
