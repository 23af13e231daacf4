"""What the tables must hold after each drop, in plain Python and line by line.

It shares nothing with the project or with a contender. It knows files as `flo generate` writes
them in layout V7: one delimiter, times with Istanbul's offset, and nobody twice in one drop.
A customer's row is the one with the latest `last_order_date`; of equal ones the later drop's.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from bench.digest import NULL, Digest

_EPOCH = date(1970, 1, 1).toordinal()
# Columns of a V7 file, by position.
_NAMES = [
    "master_id",
    "order_channel",
    "platform_type",
    "last_order_channel",
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
    "order_num_total_ever_online",
    "order_num_total_ever_offline",
    "customer_value_total_ever_offline",
    "customer_value_total_ever_online",
    "interested_in_categories_12",
    "online_product_group_amount_top_name_12",
    "offline_product_group_name_12",
    "last_order_date_new",
    "store_type",
]


@dataclass(frozen=True)
class Row:
    """What one line says: its text for the hash, when, how much, and in which group."""

    text: str
    at: int
    orders: int
    cents: int
    channel: str | None
    platform: str | None

    @property
    def hashed(self) -> int:
        """The first 60 bits of the line's MD5."""
        return int(hashlib.md5(self.text.encode(), usedforsecurity=False).hexdigest()[:15], 16)


@dataclass(frozen=True)
class Step:
    """The table after one more drop.

    Attributes:
        digest: what it holds.
        changed: rows of the drop that are new or have other values than stored.
        changed_bytes: the bytes of those rows in the file.
    """

    digest: Digest
    changed: int
    changed_bytes: int


def expect(full: Path, changes: Sequence[Path]) -> list[Step]:
    """Work out the table after the full drop and after each change drop; kept beside the files.

    Memory grows with the change drops only; the full drop is read once, as it stands.
    """
    drops = [list(_lines(path)) for path in changes]
    current: dict[str, Row | None] = {key: None for drop in drops for key, _, _ in drop}
    rows = orders = cents = hashes = 0
    for key, row, _ in _lines(full):
        rows, orders, cents = rows + 1, orders + row.orders, cents + row.cents
        hashes += row.hashed
        if key in current:
            current[key] = row
    steps = [Step(Digest(rows, orders, cents, hashes), rows, full.stat().st_size)]
    for drop in drops:
        changed = changed_bytes = 0
        for key, row, size in drop:
            before = current[key]
            if before is not None and row.at < before.at:
                continue
            if before is None or before.text != row.text:
                changed, changed_bytes = changed + 1, changed_bytes + size
            current[key] = row
            rows += before is None
            orders += row.orders - (before.orders if before else 0)
            cents += row.cents - (before.cents if before else 0)
            hashes += row.hashed - (before.hashed if before else 0)
        steps.append(Step(Digest(rows, orders, cents, hashes), changed, changed_bytes))
    return steps


def kept_steps(full: Path, changes: Sequence[Path], keep: Path) -> list[Step]:
    """The same as :func:`expect`, worked out once and read from ``keep`` afterwards."""
    names = [path.name for path in (full, *changes)]
    if keep.is_file():
        known = json.loads(keep.read_text())
        if known["names"] == names:
            return [Step(**{**each, "digest": Digest(**each["digest"])}) for each in known["steps"]]
    steps = expect(full, changes)
    keep.write_text(json.dumps({"names": names, "steps": [asdict(step) for step in steps]}))
    return steps


def expect_kpis(files: Sequence[Path]) -> dict[str, dict[tuple[str | None, ...], dict[str, Any]]]:
    """Work out the KPI tables from the full drop and its changes, by table and group."""
    later: dict[str, Row] = {}
    for path in files[1:]:
        for key, row, _ in _lines(path):
            if key not in later or row.at >= later[key].at:
                later[key] = row
    cells: dict[tuple[str | None, str | None], Counter[int]] = {}
    orders: Counter[tuple[str | None, str | None]] = Counter()
    for row in _winners(files[0], later):
        cell = (row.channel, row.platform)
        cells.setdefault(cell, Counter())[row.cents] += 1
        orders[cell] += row.orders
    keys: dict[str, tuple[int, ...]] = {
        "channel_kpis": (0,),
        "platform_kpis": (1,),
        "channel_platform_kpis": (0, 1),
    }
    return {name: _grouped(cells, orders, places) for name, places in keys.items()}


def _winners(full: Path, later: Mapping[str, Row]) -> Iterator[Row]:
    left = dict(later)
    for key, row, _ in _lines(full):
        change = left.pop(key, None)
        yield change if change is not None and change.at >= row.at else row
    yield from left.values()


def _grouped(
    cells: Mapping[tuple[str | None, str | None], Counter[int]],
    orders: Mapping[tuple[str | None, str | None], int],
    places: Iterable[int],
) -> dict[tuple[str | None, ...], dict[str, Any]]:
    amounts: dict[tuple[str | None, ...], Counter[int]] = {}
    total: Counter[tuple[str | None, ...]] = Counter()
    chosen = tuple(places)
    for cell, counted in cells.items():
        group = tuple(cell[place] for place in chosen)
        amounts.setdefault(group, Counter()).update(counted)
        total[group] += orders[cell]
    return {group: _summary(amounts[group], total[group]) for group in amounts}


def _summary(amounts: Counter[int], orders: int) -> dict[str, Any]:
    customers = amounts.total()
    revenue = sum(amount * count for amount, count in amounts.items())
    ordered = sorted(amounts.items())
    quarters = {f"revenue_p{25 * q}": _quantile(ordered, q, customers) for q in (1, 2, 3)}
    return {
        "total_customers": customers,
        "total_orders": orders,
        "total_revenue": Decimal(revenue).scaleb(-2),
        "revenue_min": Decimal(ordered[0][0]).scaleb(-2),
        **quarters,
        "revenue_max": Decimal(ordered[-1][0]).scaleb(-2),
    }


def _quantile(ordered: Sequence[tuple[int, int]], quarter: int, count: int) -> Decimal:
    """The value at ``quarter / 4 * (count - 1)`` of the sorted amounts, interpolated linearly."""
    place = Fraction(quarter * (count - 1), 4)
    low, high = _at(ordered, int(place)), _at(ordered, min(int(place) + 1, count - 1))
    value = low + (high - low) * (place - int(place))
    return Decimal(value.numerator) / Decimal(value.denominator * 100)


def _at(ordered: Sequence[tuple[int, int]], place: int) -> int:
    seen = 0
    for amount, count in ordered:
        seen += count
        if place < seen:
            return amount
    raise IndexError(place)


def _lines(path: Path) -> Iterator[tuple[str, Row, int]]:
    """Read a file: each line's customer, what it says, and its bytes."""
    days: dict[str, str] = {"": NULL}
    with path.open(encoding="utf-8", newline="\n") as file:
        header = next(file).rstrip("\n").split("|")
        if header != _NAMES:
            raise ValueError(f"{path} is not in layout V7")
        for line in file:
            cell = line[:-1].split("|")
            yield cell[0], _row(cell, days), len(line.encode())


def _row(cell: list[str], days: dict[str, str]) -> Row:
    for stamp in cell[4:8]:
        if stamp[:10] not in days:
            days[stamp[:10]] = str(date.fromisoformat(stamp[:10]).toordinal() - _EPOCH)
    last = cell[5]
    # 2021-05-05T21:07:02.000+03:00; the offset is a whole number of hours.
    clock = int(last[11:13]) * 3600 + int(last[14:16]) * 60 + int(last[17:19])
    at = int(days[last[:10]]) * 86_400 + clock - int(last[23:26]) * 3600
    online, offline = (int(float(each or 0)) for each in cell[8:10])
    money_offline, money_online = (int(each.replace(".", "")) for each in cell[10:12])
    parts = (
        *(cell[0:4]),
        cell[16],
        *(days[stamp[:10]] for stamp in cell[4:8]),
        *(str(each) for each in (at, online, offline, money_offline, money_online)),
        *(cell[12:15]),
    )
    text = "|".join(part or NULL for part in parts)
    orders, cents = online + offline, money_offline + money_online
    return Row(text, at, orders, cents, cell[1] or None, cell[2] or None)
