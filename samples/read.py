"""Reading chosen lines of a full file in layout V7, as written here."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from samples.clock import DAY, day_number
from samples.noise import Ints
from samples.published import CHANNELS, PLATFORMS
from samples.rows import CATEGORIES, GROUPS, MISSING, Rows
from samples.write import LAYOUTS, STORES, header_line


def _position(names: Sequence[str]) -> Callable[[str], int]:
    places = {name: place for place, name in enumerate(names)} | {"": MISSING}
    return places.__getitem__


def _seconds(text: str) -> int:
    if not text:
        return MISSING
    hours, minutes, seconds = text[11:13], text[14:16], text[17:19]
    return day_number(text[:10]) * DAY + int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _count(text: str) -> int:
    return int(text.removesuffix(".0")) if text else MISSING


def _cents(text: str) -> int:
    return int(text.replace(".", ""))


# The field of Rows that each column fills, and how; last_order_date_new follows from
# last_order_date.
_READERS: dict[str, tuple[str, Callable[[str], int]]] = {
    "order_channel": ("channel", _position(CHANNELS)),
    "platform_type": ("platform", _position(PLATFORMS)),
    "last_order_channel": ("last_channel", _position(CHANNELS)),
    "first_order_date": ("first_at", _seconds),
    "last_order_date": ("last_at", _seconds),
    "last_order_date_online": ("online_at", _seconds),
    "last_order_date_offline": ("offline_at", _seconds),
    "order_num_total_ever_online": ("online_orders", _count),
    "order_num_total_ever_offline": ("offline_orders", _count),
    "customer_value_total_ever_offline": ("offline_cents", _cents),
    "customer_value_total_ever_online": ("online_cents", _cents),
    "interested_in_categories_12": ("categories", _position(CATEGORIES)),
    "online_product_group_amount_top_name_12": ("online_group", _position(GROUPS)),
    "offline_product_group_name_12": ("offline_group", _position(GROUPS)),
    "store_type": ("store", _position(STORES)),
}


class FileRows:
    """The customers of a full file; its lines are held, and parsed when asked for."""

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raise ValueError where it is not in layout V7 or has no rows, OSError where it
        cannot be read.
        """
        self._file = file
        try:
            header, *self._lines = file.read_bytes().splitlines(keepends=True) or [b""]
        except OSError as error:
            raise OSError(
                f"{file} cannot be read ({error.strerror}); name a file that `flo generate` wrote."
            ) from error
        if header != header_line("V7") or not self._lines:
            raise ValueError(self._refusal("does not begin with the V7 header and a row"))
        self.size = len(self._lines)

    def _refusal(self, reason: str) -> str:
        return f"{self._file} {reason}; write a file with `flo generate` and use that."

    def rows(self, index: Ints) -> Rows:
        """Return the rows of these lines (0 is the first after the header)."""
        names, table = LAYOUTS["V7"], [self._fields(line) for line in index.tolist()]
        column = dict(zip(names, zip(*table, strict=True), strict=True)) if table else {}
        try:
            read = {
                field: np.array([reader(text) for text in column.get(name, ())], dtype=np.int64)
                for name, (field, reader) in _READERS.items()
            }
        except (KeyError, ValueError) as error:
            raise ValueError(self._refusal("has a field that was not written here")) from error
        identifiers = np.array(column.get("master_id", ()), dtype="S36")
        return Rows(master_id=identifiers, **read)

    def _fields(self, line: int) -> list[str]:
        fields = self._lines[line].decode("ascii", "replace").rstrip("\n").split("|")
        if len(fields) != len(LAYOUTS["V7"]):
            raise ValueError(self._refusal(f"has a broken line {line + 2}"))
        return fields
