"""Invented figures of a report, for tests that need no Spark."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from batch.reporting.figures import (
    Column,
    Course,
    Drop,
    Drops,
    Figures,
    Kpis,
    Moment,
    Name,
    Reason,
    Segment,
    Segments,
    Side,
)

ZONE = ZoneInfo("Europe/Istanbul")
EVIL = "<script>alert(1)</script>&\"'\x07"


def kpis(*names: Name, revenue: str = "1234567.80", customers: int = 1200) -> Kpis:
    """Invent a row of a KPI table."""
    amount = Decimal(revenue)
    quartiles = [Decimal(each) for each in ("1.5", "120.25", "310.125", "904", "56000")]
    return Kpis(
        names, customers, 3 * customers, 3.0, amount, float(amount / customers), tuple(quartiles)
    )  # type: ignore[arg-type]


def figures(channels: tuple[Name, ...] = ("Mobile", "Offline", None), **changes: Any) -> Figures:
    """Invent a lake with these channels, after twelve drops."""
    platforms: tuple[Name, ...] = ("OmniChannel", "Online")
    values: dict[str, Any] = {
        "made_at": datetime(2026, 3, 7, 9, 5, tzinfo=ZONE),
        "customers": 3600,
        "accepted": 5000,
        "channels": tuple(kpis(name) for name in channels),
        "platforms": tuple(kpis(name) for name in platforms),
        "pairs": tuple(kpis(one, other) for one in channels for other in platforms),
        "channel_courses": tuple(_course(name) for name in channels),
        "platform_courses": tuple(_course(name) for name in platforms),
        "drops": Drops(
            newest=tuple(_drop(number) for number in range(12, 0, -1)),
            states={"ingested": 11, "rejected": 1},
            refusals=(("empty_file", 1),),
            rows_read=5060,
            rows_refused=60,
        ),
        "sides": tuple(
            Side(name, both, 600, 1800 if both else 900, Decimal("54321.50"))
            for name in channels
            for both in (True, False)
        ),
        "segments": Segments(
            date(2026, 3, 1),
            (
                Segment("champions", 40, 12.25, 8.0, 910.5, Decimal("36420.00")),
                Segment("hibernating", 60, 240.0, 1.5, 120.0, Decimal("7200.00")),
            ),
        ),
        "refused": (
            Reason("not_a_number: order_num_total_ever_online", "no number", 41, ("order_num",)),
            Reason("blank_master_id", "the row has no master_id", 19, ("master_id",)),
        ),
        "warned": (Reason("last_is_not_latest", "not the later one", 7, ("last_order_date",)),),
        "columns": (
            Column("master_id", "string", 0),
            Column("last_order_date", "date", 1),
            Column("store_type", "string", 3600),
        ),
    }
    return Figures(**(values | changes))


def _course(name: Name) -> Course:
    return Course(name, tuple(Moment(n, 100 * n, Decimal(1000 * n + n % 3)) for n in range(1, 12)))


def _drop(number: int) -> Drop:
    state = "rejected" if number == 5 else "ingested"
    read = 3400 if number == 1 else 140
    at = datetime(2026, 3, 6, 8, number, tzinfo=ZONE)
    return Drop(f"flo_{number:04d}.csv", at, state, read, 100, 30, 4, 1, 0, 5)
