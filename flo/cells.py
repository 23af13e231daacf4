"""One value as text: plain decimals, shortest doubles, ISO 8601 times, JSON for what nests."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any


def as_text(value: Any) -> str:
    """Write a value that is not NULL as one field of text."""
    if isinstance(value, str):
        return value
    nested = as_json(value)
    if isinstance(nested, str):
        return nested
    if isinstance(nested, (list, dict)):
        return json.dumps(nested, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return json.dumps(nested)


def as_json(value: Any) -> Any:
    """Turn a value into what JSON can hold without loss.

    Decimals become plain text (never ``1E+3``), times ISO 8601, bytes base64, and the numbers
    that JSON lacks their names.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _named(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    return _nested(value)


def is_number(value: Any) -> bool:
    """Tell whether a value is aligned as a number."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _nested(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return str(value)


def _key(key: Any) -> str:
    return "null" if key is None else as_text(key)


def _named(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _duration(value: timedelta) -> str:
    """Write a duration as ISO 8601 does, in days and seconds."""
    sign = "-" if value < timedelta(0) else ""
    size = abs(value)
    seconds = Decimal(size.seconds) + Decimal(size.microseconds).scaleb(-6)
    text = f"{seconds.normalize():f}" if size.microseconds else str(size.seconds)
    return f"{sign}P{size.days}DT{text}S"
