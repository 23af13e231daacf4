"""Structured logs: one line an event, to standard error."""

from __future__ import annotations

import sys

import structlog


def configure_logs() -> None:
    """Log one line an event, with its time in UTC, to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], drop_missing=True
            ),
        ],
        # Asked for at each line: whoever runs a command within a program may exchange the stream.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
