"""What to do when somebody else's commit came first: try again, a few times."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
)

from lake.errors import TransientError

log = structlog.get_logger()


class OvertakenError(TransientError):
    """Another commit came between reading a table and writing it; a new plan is needed."""

    def __init__(self, table: str) -> None:
        super().__init__(f"Another writer has changed {table} meanwhile; try again.")


CONFLICTS = (
    OvertakenError,
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
)
"""Ways to say that a commit lost, Delta's and ours: nothing was written, so it may be repeated.

A change of a table's columns or protocol is not among them: after it the plan may be wrong.
"""

Result = TypeVar("Result")


def retry_conflicts(action: Callable[[], Result], what: str, *, attempts: int = 4) -> Result:
    """Do something that ends in one Delta commit; do it again where another commit came first.

    Args:
        action: reads what it needs anew at each call, or writes absolute values.
        what: names it in the log and in the error, such as ``the features``.

    Raises:
        TransientError: other writers kept coming first.
    """
    for attempt in range(attempts):
        try:
            return action()
        except CONFLICTS as conflict:
            log.info("conflict", table=what, attempt=attempt + 1, kind=type(conflict).__name__)
            # Spread, so that two writers do not meet again at the same moment.
            time.sleep(random.uniform(0.1, 0.5) * 2**attempt)
    raise TransientError(f"Other writers kept changing {what}; let them end and try again.")
