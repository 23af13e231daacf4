"""What stops a benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot go on; the message is one sentence for a person."""


class WrongResultError(BenchError):
    """A contender's table is not the oracle's, so its time counts for nothing."""
