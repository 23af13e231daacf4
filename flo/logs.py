"""Structured logs: one line an event, to standard error, for people or for programs."""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_FIRST = ("timestamp", "level", "event")
_LOGFMT = structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True)
# A file's name is its supplier's: it must not move the cursor of whoever reads the log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def configure_logs(log_format: str = "human") -> None:
    """Log one line an event, with its time in UTC, to standard error.

    Args:
        log_format: ``human`` for ``name=value`` pairs, and a trace below them where one is asked
            for; ``json`` for one JSON object a line, whatever is logged.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _format_trace,
            *_renderers(log_format),
        ],
        # Asked for at each line: whoever runs a command within a program may exchange the stream.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _format_trace(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Write where an exception came from, and its name: its text, as a local, may hold a row."""
    del logger, method
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        from lake.causes import tell

        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        event["exception"] = f"{''.join(lines)}{type(error).__name__}: {tell(error)}"
    return event


def configure_java_logs(jvm: Any, log_format: str) -> None:
    """Have Spark, Delta and Hadoop write their lines in the same format from here on.

    ``conf/log4j2.properties`` has both patterns, and chooses by this property.
    """
    name = "flo.log_format"
    if jvm.System.getProperty(name, "human") != log_format:
        jvm.System.setProperty(name, log_format)
        jvm.org.apache.logging.log4j.LogManager.getContext(False).reconfigure()


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "json":
        # ASCII, so that no choice of the terminal's can break it.
        return [_put_first, structlog.processors.JSONRenderer(default=str)]
    return [_write_line]


def _put_first(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Begin with what each line has."""
    del logger, method
    return {**{name: event[name] for name in _FIRST if name in event}, **event}


def _write_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Write ``name=value`` pairs, and the trace of an exception below them."""
    trace = event.pop("exception", None)
    safe = {
        name: _CONTROL.sub(_escape, value) if isinstance(value, str) else value
        for name, value in event.items()
    }
    line = str(_LOGFMT(logger, method, safe))
    return line if trace is None else f"{line}\n{trace}"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
