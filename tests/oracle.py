"""The promise again, in plain Python: drops to features, accounts and KPIs, the slow obvious way.

It imports nothing of the project, so that an error there cannot hide here. It knows the shipped
contract by heart and reads tidy drops only: UTF-8, one delimiter, year-first dates, decimal
points. What odd files look like is not its business; which row wins is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

ISTANBUL = ZoneInfo("Europe/Istanbul")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATES = (
    "first_order_date",
    "last_order_date",
    "last_order_date_online",
    "last_order_date_offline",
)
COUNTS = ("order_num_total_ever_online", "order_num_total_ever_offline")
MONEY = ("customer_value_total_ever_online", "customer_value_total_ever_offline")
REQUIRED = ("master_id", "order_channel", "last_order_channel", *DATES, *COUNTS, *MONEY)
OPTIONAL = (
    "platform_type",
    "store_type",
    "interested_in_categories_12",
    "online_product_group",
    "offline_product_group",
)
VALUES = (*REQUIRED[1:], *OPTIONAL, "last_order_at")
OUTCOMES = ("inserted", "updated", "unchanged", "stale", "superseded")
_ALIASES = {
    "online_product_group_amount_top_name_12": "online_product_group",
    "offline_product_group_name_12": "offline_product_group",
}

Values = dict[str, Any]
Place = tuple[int, int, str, int]


@dataclass(frozen=True)
class File:
    """One file in landing: its name, its bytes and its modification time."""

    name: str
    content: bytes
    modified_ms: int

    @property
    def drop_id(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Row:
    """One row of a drop: its values where it is good, its reasons where it is bad."""

    row_no: int
    values: Values
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Snapshot:
    """What one drop says about one customer; ``said`` holds the columns that the drop has."""

    master_id: str
    place: Place
    said: Values


@dataclass
class Oracle:
    """What the tables must hold after some batches of files."""

    snapshots: dict[str, list[Snapshot]] = field(default_factory=lambda: defaultdict(list))
    accounts: list[Values] = field(default_factory=list)
    quarantine: dict[str, list[tuple[str, int, tuple[str, ...]]]] = field(default_factory=dict)
    ingested: set[str] = field(default_factory=set)

    def take(self, batch: Iterable[File]) -> None:
        """Take files in, one by one in the order ``(drop_time, drop_id)``."""
        for file in sorted(batch, key=lambda each: (each.modified_ms, each.drop_id)):
            counts = dict.fromkeys(OUTCOMES, 0) | {"read": 0, "accepted": 0, "quarantined": 0}
            account = {"name": file.name, "drop_id": file.drop_id, "state": "duplicate"} | counts
            if file.drop_id not in self.ingested:
                account |= self._take_drop(file)
            self.accounts.append(account)

    def features(self) -> list[Values]:
        """The rows of ``customer_features`` without ``updated_at``, by ``master_id``."""
        return [_complete(each, fold(self.snapshots[each])) for each in sorted(self.snapshots)]

    def kpis(self, *keys: str) -> dict[tuple[Any, ...], Values]:
        """The KPIs per group, in lowest terms: sums and quartiles exact, averages divided once."""
        groups: dict[tuple[Any, ...], list[Values]] = defaultdict(list)
        for row in self.features():
            groups[tuple(row[key] for key in keys)].append(row)
        return {group: _summarise(rows) for group, rows in groups.items()}

    def _take_drop(self, file: File) -> Values:
        columns, rows = read(file)
        bad = [row for row in rows if row.reasons]
        if 2 * len(bad) > len(rows):
            self.quarantine[file.drop_id] = [
                (file.drop_id, row.row_no, (*row.reasons, "drop_refused")) for row in rows
            ]
            return {"state": "rejected", "read": len(rows), "quarantined": len(rows)}
        self.quarantine[file.drop_id] = [(file.drop_id, row.row_no, row.reasons) for row in bad]
        self.ingested.add(file.drop_id)
        good: dict[str, list[Snapshot]] = defaultdict(list)
        for row in rows:
            if not row.reasons:
                at = row.values["last_order_at"]
                place = (at, file.modified_ms, file.drop_id, row.row_no)
                said = {name: row.values[name] for name in (*columns, "last_order_at")}
                good[said["master_id"]].append(Snapshot(said.pop("master_id"), place, said))
        outcomes = Counter(self._apply(snapshots) for snapshots in good.values())
        accepted = len(rows) - len(bad)
        outcomes["superseded"] = accepted - len(good)
        return {
            "state": "ingested",
            "read": len(rows),
            "accepted": accepted,
            "quarantined": len(bad),
            **outcomes,
        }

    def _apply(self, snapshots: Sequence[Snapshot]) -> str:
        """Add what one drop says of one customer, and tell what that did."""
        history = self.snapshots[snapshots[0].master_id]
        newest = max(each.place for each in snapshots)
        before = fold(history) if history else None
        was_newest = max((each.place for each in history), default=None)
        history.extend(snapshots)
        if before is None or was_newest is None:
            return "inserted"
        if newest < was_newest:
            return "stale"
        after = fold(history)
        return "unchanged" if all(before[n] == after[n] for n in VALUES) else "updated"


def fold(history: Sequence[Snapshot]) -> Values:
    """Apply the order rule: the greatest snapshot, and for an absent column the greatest with it.

    Missing counts and money are 0; ``drop_id``, ``drop_time`` and ``row_no`` name the winner.
    ``value_places`` names each column that the winner's drop lacked, with the place that gave it.
    """
    result: Values = {}
    winner = max(each.place for each in history)
    elsewhere: list[tuple[str, Place | None]] = []
    for name in sorted(VALUES):
        saying = [each for each in history if name in each.said]
        giver = max(saying, key=lambda each: each.place) if saying else None
        result[name] = giver.said[name] if giver else None
        if giver is None or giver.place != winner:
            elsewhere.append((name, giver and giver.place))
    for name in (*COUNTS, *MONEY):
        result[name] = result[name] or (0 if name in COUNTS else Decimal("0.00"))
    _, drop_time, drop_id, row_no = winner
    return result | {
        "drop_time": drop_time * 1000,
        "drop_id": drop_id,
        "row_no": row_no,
        "value_places": tuple(elsewhere) or None,
    }


def read(file: File) -> tuple[list[str], list[Row]]:
    """Read a drop: its known columns, and its rows numbered from 1."""
    text = file.content.decode("utf-8-sig")
    delimiter = next(each for each in ",;|" if each in text.splitlines()[0])
    header, *records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [_ALIASES.get(name, name) for name in header]
    known = [name for name in names if name in (*REQUIRED, *OPTIONAL)]
    # A test's drops are seen while it runs, whatever their own times say.
    first_seen = datetime.now(ISTANBUL).date()
    rows = []
    for number, record in enumerate((each for each in records if each), start=1):
        if len(record) != len(names):
            rows.append(Row(number, {}, ("wrong_field_count",)))
            continue
        cells = {n: c.strip() or None for n, c in zip(names, record, strict=True)}
        values, reasons = _judge({name: cells[name] for name in known}, first_seen)
        rows.append(Row(number, values, tuple(sorted(reasons))))
    return known, rows


def _judge(cells: dict[str, str | None], first_seen: date) -> tuple[Values, list[str]]:
    values: Values = dict(cells)
    reasons = [] if cells["master_id"] else ["blank_master_id"]
    if len(cells["master_id"] or "") > 128:
        reasons.append("master_id_too_long")
    for name in (*COUNTS, *MONEY):
        values[name], wrong = _number(cells[name], count=name in COUNTS)
        reasons += [f"{reason}: {name}" for reason in wrong]
    for name in DATES:
        instant, reason = _instant(cells[name])
        values[name] = instant and instant.astimezone(ISTANBUL).date()
        if instant and values[name] > first_seen:
            reason = "future_date"
        reasons += [f"{reason}: {name}"] if reason else []
        if name == "last_order_date":
            values["last_order_at"] = instant and (instant - EPOCH) // timedelta(microseconds=1)
    if cells["last_order_date"] is None:
        reasons.append("no_last_order_date")
    listed = cells.get("interested_in_categories_12")
    if listed is not None:
        items = [item.strip() for item in listed.strip("[]").split(",")]
        values["interested_in_categories_12"] = [item for item in items if item]
    return values, reasons


def _number(cell: str | None, *, count: bool) -> tuple[int | Decimal | None, list[str]]:
    if cell is None:
        return None, []
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", cell):
        return None, ["not_a_number"]
    number, reasons = Decimal(cell), []
    if number < 0:
        reasons.append("negative")
    if count and number != int(number):
        reasons.append("fractional")
    if not count and number * 100 != int(number * 100):
        reasons.append("too_many_decimals")
    if abs(number) > (10**9 if count else 10**15):
        reasons.append("out_of_range")
    return (int(number) if count else number.quantize(Decimal("0.01"))), reasons


def _instant(cell: str | None) -> tuple[datetime | None, str | None]:
    if cell is None:
        return None, None
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None, "not_a_date"
    return (moment if moment.tzinfo else moment.replace(tzinfo=ISTANBUL)), None


def _complete(master_id: str, row: Values) -> Values:
    """Add what follows from a row's values."""
    online, offline = (row[name] for name in COUNTS)
    worth = row[MONEY[0]] + row[MONEY[1]]
    by_rule = {(1, 1): "OmniChannel", (1, 0): "Online", (0, 1): "Offline"}
    given = row["platform_type"]
    average = Fraction(worth) / (online + offline) if online + offline else None
    return row | {
        "master_id": master_id,
        "platform_type": given or by_rule.get((online > 0, offline > 0)),
        "platform_type_derived": given is None,
        "order_num_total": online + offline,
        "customer_value_total": worth,
        "avg_order_value": None if average is None else _cents(average),
        "online_value_share": float(Fraction(row[MONEY[0]]) / Fraction(worth)) if worth else None,
        "is_omnichannel": online > 0 and offline > 0,
    }


def _cents(amount: Fraction) -> Decimal:
    """Round half up to cents; no amount here is negative."""
    return Decimal((amount * 200 + 1) // 2) / 100


def _summarise(rows: Sequence[Values]) -> Values:
    amounts = sorted(row["customer_value_total"] for row in rows)
    orders, revenue = sum(row["order_num_total"] for row in rows), sum(amounts)
    return {
        "total_customers": len(rows),
        "total_orders": orders,
        "avg_orders": float(Fraction(orders, len(rows))),
        "total_revenue": revenue,
        "avg_revenue": float(Fraction(revenue) / len(rows)),
        **{
            name: _quartile(amounts, quarters)
            for quarters, name in enumerate(
                ("revenue_min", "revenue_p25", "revenue_p50", "revenue_p75", "revenue_max")
            )
        },
    }


def _quartile(amounts: Sequence[Decimal], quarters: int) -> Decimal:
    whole, rest = divmod(quarters * (len(amounts) - 1), 4)
    below, above = amounts[whole], amounts[min(whole + 1, len(amounts) - 1)]
    return (below + (above - below) * rest / 4).quantize(Decimal("0.0001"), ROUND_HALF_UP)
