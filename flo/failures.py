"""From an exception to one sentence and an exit code."""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from lake.errors import FloError
from sandbox.errors import SandboxError

USAGE = 2
UNREACHABLE = 3

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CONDITION = re.compile(r"^\[(?P<name>[A-Z0-9_.]+)\]\s*")
_STATE = re.compile(r"\s*SQLSTATE: \w+\s*")
_POSITION = re.compile(r"\(?\bline (?P<line>\d+),? pos (?P<at>\d+)\)?")


@dataclass(frozen=True)
class Failure:
    """What the user reads, and what the caller's shell gets."""

    message: str
    exit_code: int


def hush_py4j() -> None:
    """Keep Py4J from logging the trace of an interrupt, or of a Java that has ended.

    It does so with the root logger and with its own, before whoever asked knows of it;
    :func:`explain` says it in a sentence.
    """
    logging.getLogger().addFilter(_is_not_py4j)
    logging.getLogger("py4j").propagate = False


def _is_not_py4j(record: logging.LogRecord) -> bool:
    return record.module != "java_gateway"


class StatementError(Exception):
    """What Spark says of a statement that its reader has typed; the cause is Spark's error."""


def explain(error: BaseException) -> Failure:
    """Choose the sentence and the exit code for an exception.

    Of Spark's errors only those of a statement are told by their text, which may quote a row: to
    whoever typed it, and may read the rows. Any other is told by its condition.
    """
    if isinstance(error, StatementError) and error.__cause__ is not None:
        return _spark(error.__cause__, sentence_of) or explain(error.__cause__)
    if isinstance(error, (FloError, SandboxError)):
        return Failure(str(error), error.exit_code)
    if isinstance(error, MemoryError):
        return Failure("There is not enough memory; close something, or ask for less.", UNREACHABLE)
    if isinstance(error, OSError):
        return _system(error)
    return _spark(error, _condition) or _unexpected(error)


def _system(error: OSError) -> Failure:
    if not error.strerror:
        return Failure(str(error) or type(error).__name__, UNREACHABLE)
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        remedy = "free some, or choose another place (for temporary files by TMPDIR)."
        return Failure(f"{where}No space is left on a disk of this machine; {remedy}", UNREACHABLE)
    return Failure(f"{where}{error.strerror}; put that right and try again.", UNREACHABLE)


def _spark(error: BaseException, say: Callable[[BaseException], str]) -> Failure | None:
    """Explain what Spark and its JVM raise; None for anything else."""
    if "pyspark" not in sys.modules:
        return None
    from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
    from pyspark.errors import PySparkException

    from lake.causes import recognise, translate

    if isinstance(error, Py4JNetworkError):
        return Failure("The Java process ended or did not answer; try again.", UNREACHABLE)
    if not isinstance(error, (PySparkException, Py4JError)):
        return None
    if known := recognise(error, "This cannot be done"):
        return Failure(str(known), known.exit_code)
    if "JAVA_GATEWAY_EXITED" in str(error):
        message = "Java did not start; install Java 17 or 21 and let JAVA_HOME point at it."
        return Failure(message, USAGE)
    if isinstance(error, Py4JJavaError):
        # Its own first line says no more than which call of ours it was.
        failed = translate(error, "Java failed")
        return Failure(f"{failed} See more with --debug.", failed.exit_code)
    return Failure(say(error), USAGE)


def _condition(error: BaseException) -> str:
    from lake.causes import condition_of

    return f"Spark failed: {condition_of(error)}."


def sentence_of(error: BaseException) -> str:
    """Cut a Spark error down to its first line, with the position where it has one."""
    text = str(error).strip()
    position = _POSITION.search(text)
    line = _CONDITION.sub("", text.splitlines()[0] if text else "")
    line = _STATE.sub(" ", _POSITION.sub("", line)).strip(" .;")
    if position:
        line += f", at line {position['line']}, position {int(position['at']) + 1}"
    return f"{line or type(error).__name__}."


def _unexpected(error: BaseException) -> Failure:
    # Its text may quote a row.
    said = type(error).__name__
    return Failure(f"Something unexpected happened ({said}); see more with --debug.", USAGE)
