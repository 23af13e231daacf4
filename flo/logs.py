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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
