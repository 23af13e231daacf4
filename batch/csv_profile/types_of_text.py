"""Which type a column of texts has, found without reading them one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

_DATE = (
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}\.[0-9]{1,2}\.(?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}-[0-9]{1,2}-(?:[0-9]{4}|[0-9]{2}))"
)
_TIME = r"[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)? ?(?:Z|[+-][0-9]{2}:?(?:[0-9]{2})?)?"

# The narrowest first: a column has the first type that all of its texts fit.
_PATTERNS = {
    "boolean": r"^(?i:true|false)$",
    "bigint": r"^[+-]?[0-9]{1,18}$",
    "decimal": r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$",
    "decimal_comma": r"^[+-]?(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)$",
    "double": r"^[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:nan|inf))$",
    "date": f"^{_DATE}$",
    "timestamp": f"^{_DATE}(?:{_TIME})?$",
    "list": r"^(?s:\[.*\])$",
}
_LONGEST = 38


@dataclass
class TypeOfText:
    """What the texts of a column, seen so far, have in common."""

    possible: list[str] = field(default_factory=lambda: list(_PATTERNS))
    whole: int = 0
    scale: int = 0
    seen: bool = False

    def add(self, texts: pa.Array) -> None:
        """Look at some more texts; nulls say nothing."""
        if not self.possible:
            return
        distinct = pc.unique(texts).drop_null()
        if len(distinct) == 0:
            return
        self.seen = True
        self.possible = [
            name
            for name in self.possible
            if pc.all(pc.match_substring_regex(distinct, _PATTERNS[name])).as_py()
        ]
        if "decimal" in self.possible or "decimal_comma" in self.possible:
            self._measure(distinct)

    def _measure(self, numbers: pa.Array) -> None:
        """Widen the digits before and after the decimal mark; leading zeros are none."""
        parts = pc.extract_regex(numbers, r"^[+-]?0*(?P<whole>[0-9]*)(?:[.,](?P<scale>[0-9]*))?$")
        self.whole = max(self.whole, _longest(parts.field("whole")))
        self.scale = max(self.scale, _longest(parts.field("scale")))

    @property
    def name(self) -> str:
        """The type as SQL names it; a column without any text is a string."""
        if not self.seen or not self.possible:
            return "string"
        first = self.possible[0]
        if not first.startswith("decimal"):
            return first
        precision = max(self.whole + self.scale, 1)
        return f"decimal({precision},{self.scale})" if precision <= _LONGEST else "double"


def _longest(texts: pa.Array) -> int:
    return int(pc.max(pc.utf8_length(texts)).as_py() or 0)
