"""The layouts, and writing rows as CSV quickly and in little memory."""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.clock import DAY, day_number, is_summer
from samples.noise import Ints
from samples.published import CHANNELS, PLATFORMS, published
from samples.rows import CATEGORIES, GROUPS, MISSING, Rows

# One row of a block per customer, padded with NUL; leaving out the NULs makes the text.
Block = NDArray[np.uint8]

CHUNK = 50_000
STORES = tuple(published().store_types)
_V7 = published().header
_ONLY_V7 = {
    "platform_type",
    "online_product_group_amount_top_name_12",
    "offline_product_group_name_12",
    "last_order_date_new",
}
_V2 = tuple(name for name in _V7 if name not in _ONLY_V7)
LAYOUTS: dict[str, tuple[str, ...]] = {"V1": _V2[:-1], "V2": _V2, "V7": _V7}
MIXED = "mixed"

_FIRST_DAY = day_number("2013-01-01")
_LAST_DAY = day_number("2050-01-01")

_NAMES = {
    "order_channel": ("channel", CHANNELS),
    "platform_type": ("platform", PLATFORMS),
    "last_order_channel": ("last_channel", CHANNELS),
    "interested_in_categories_12": ("categories", CATEGORIES),
    "online_product_group_amount_top_name_12": ("online_group", GROUPS),
    "offline_product_group_name_12": ("offline_group", GROUPS),
    "store_type": ("store", STORES),
}
_TIMES = {
    "first_order_date": "first_at",
    "last_order_date": "last_at",
    "last_order_date_online": "online_at",
    "last_order_date_offline": "offline_at",
}
_COUNTS = {
    "order_num_total_ever_online": "online_orders",
    "order_num_total_ever_offline": "offline_orders",
}
_MONEY = {
    "customer_value_total_ever_offline": "offline_cents",
    "customer_value_total_ever_online": "online_cents",
}


def layout_names(layout: str, drops: int) -> list[str]:
    """Return the layout of each drop: the one named or, for `mixed`, V7, V2, V1, V7, V2, …

    Raise ValueError for a name that is not a layout.
    """
    if layout == MIXED:
        return [("V7", "V2", "V1")[number % 3] for number in range(drops)]
    if layout not in LAYOUTS:
        known = ", ".join([*LAYOUTS, MIXED])
        raise ValueError(f"The layout {layout!r} is not known; use one of {known}.")
    return [layout] * drops


def _delimiter(layout: str) -> str:
    return "|" if layout == "V7" else ","


@cache
def _name_table(names: tuple[str, ...], delimiter: str) -> NDArray[np.bytes_]:
    # The empty last entry is what position -1, MISSING, finds.
    quoted = [f'"{name}"' if delimiter in name else name for name in names]
    return np.array([*quoted, ""], dtype=np.bytes_)


@cache
def _day_table() -> NDArray[np.bytes_]:
    days = np.arange(_FIRST_DAY, _LAST_DAY).astype("datetime64[D]")
    return np.append(np.datetime_as_string(days).astype("S10"), b"")


@cache
def _second_table() -> NDArray[np.bytes_]:
    seconds = np.arange(DAY).astype("datetime64[s]")
    clock = np.datetime_as_string(seconds).astype("S19")
    return np.array([text[10:] + b".000" for text in clock.tolist()] + [b""], dtype=np.bytes_)


@cache
def _offset_table() -> NDArray[np.bytes_]:
    summer = is_summer(np.arange(_FIRST_DAY, _LAST_DAY, dtype=np.int64))
    return np.append(np.array([b"+02:00", b"+03:00"])[summer], b"")


def _lookup(table: NDArray[np.bytes_], position: Ints) -> Block:
    return table[position].view(np.uint8).reshape(len(position), -1)


def _constant(text: str, size: int) -> Block:
    return np.broadcast_to(np.frombuffer(text.encode("ascii"), np.uint8), (size, len(text)))


def _whole_number(number: Ints) -> Block:
    width = len(str(int(number.max(initial=0))))
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    digits = (number[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    leading = (number[:, None] < powers) & (powers > 1)
    digits[leading] = 0
    return digits


def _date(at: Ints) -> Block:
    return _lookup(_day_table(), np.where(at == MISSING, MISSING, at // DAY - _FIRST_DAY))


def _timestamp(at: Ints) -> list[Block]:
    missing = at == MISSING
    day = np.where(missing, MISSING, at // DAY - _FIRST_DAY)
    second = np.where(missing, MISSING, at % DAY)
    days, seconds, offsets = _day_table(), _second_table(), _offset_table()
    return [_lookup(days, day), _lookup(seconds, second), _lookup(offsets, day)]


def _count(number: Ints) -> Block:
    text = np.hstack([_whole_number(np.maximum(number, 0)), _constant(".0", len(number))])
    text[number == MISSING] = 0
    return text


def _money(cents: Ints) -> list[Block]:
    tens = (cents // 10 % 10 + ord("0")).astype(np.uint8)[:, None]
    ones = (cents % 10 + ord("0")).astype(np.uint8)[:, None]
    return [_whole_number(cents // 100), _constant(".", len(cents)), tens, ones]


def _column(rows: Rows, name: str, layout: str) -> list[Block]:
    if name in _NAMES:
        field, names = _NAMES[name]
        return [_lookup(_name_table(names, _delimiter(layout)), getattr(rows, field))]
    if name in _TIMES:
        at: Ints = getattr(rows, _TIMES[name])
        return _timestamp(at) if layout == "V7" else [_date(at)]
    if name in _COUNTS:
        return [_count(getattr(rows, _COUNTS[name]))]
    if name in _MONEY:
        return _money(getattr(rows, _MONEY[name]))
    if name == "last_order_date_new":
        return [_date(rows.last_at)]
    return [np.ascontiguousarray(rows.master_id).view(np.uint8).reshape(len(rows), -1)]


def header_line(layout: str) -> bytes:
    """Return the header of a layout, with its line end."""
    return (_delimiter(layout).join(LAYOUTS[layout]) + "\n").encode("ascii")


def render(rows: Rows, layout: str) -> bytes:
    """Return the rows as CSV lines of a layout, without a header."""
    blocks: list[Block] = []
    for name in LAYOUTS[layout]:
        blocks.append(_constant(_delimiter(layout), len(rows)))
        blocks.extend(_column(rows, name, layout))
    blocks.append(_constant("\n", len(rows)))
    padded = np.hstack(blocks[1:])
    text: Block = padded[padded != 0]
    return text.tobytes()


def slices(size: int) -> list[tuple[int, int]]:
    """Return the begin and end of each chunk of `size` rows."""
    return [(begin, min(begin + CHUNK, size)) for begin in range(0, size, CHUNK)]


def write_file(path: Path, parts: Iterable[Rows], layout: str, modified_at: int) -> Path:
    """Write one drop chunk by chunk, whole or not at all, and set its modification time.

    `modified_at` is in seconds since 1970 UTC. Raise OSError where the directory cannot be
    made or written.
    """
    hidden = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with hidden.open("wb") as file:
                file.write(header_line(layout))
                file.writelines(render(rows, layout) for rows in parts)
            os.utime(hidden, (modified_at, modified_at))
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror}); "
            "choose a directory that can be written and has room."
        ) from error
    return path


def check_sizes(sizes: Sequence[tuple[str, int]]) -> None:
    """Raise ValueError for the first named size that is below 1."""
    for name, size in sizes:
        if size < 1:
            raise ValueError(f"{name} is {size}; give a whole number of at least 1.")
