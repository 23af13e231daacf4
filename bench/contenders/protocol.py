"""How a contender is told what to do: one line of JSON in, one line of JSON out.

Standard library only, as it runs in every contender's own environment.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Orders = Mapping[str, Callable[..., Mapping[str, Any]]]


def serve(orders: Orders) -> None:
    """Answer orders until standard input ends.

    An order is ``{"do": name, …arguments}``; the answer is what the function returns, or
    ``{"error": message}``. What the engine itself prints goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = dict(orders[order.pop("do")](**order))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
