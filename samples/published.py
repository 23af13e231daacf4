"""The published figures of the 100,000-row file, and the value distributions they imply."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

PLATFORMS = ("Offline", "OmniChannel", "Online")
CHANNELS = ("Offline", "Android App", "Mobile", "Desktop", "Ios App")


@dataclass(frozen=True, slots=True)
class Group:
    """What is published for one channel or platform; money is in cents."""

    name: str
    customers: int
    orders: int
    revenue: int
    low: int
    quartiles: tuple[int, int, int]
    high: int

    @property
    def mean(self) -> int:
        """The mean revenue per customer in cents, rounded down."""
        return self.revenue // self.customers


@dataclass(frozen=True, slots=True)
class Published:
    """All published figures; `cells` counts customers by (platform, channel)."""

    rows: int
    header: tuple[str, ...]
    missing: Mapping[str, int]
    channels: Mapping[str, Group]
    platforms: Mapping[str, Group]
    cells: Mapping[tuple[str, str], int]
    store_types: Mapping[str, int]
    first_years: Mapping[int, int]
    last_day: str

    @property
    def without_orders(self) -> int:
        """Customers that have a count on neither side.

        They are the offline counts missing beyond the Online customers. Only among
        OmniChannel x Offline do they leave the other published cells as they are: there
        the minimum is 0.00, and the file's platform differs from the rule anyway.
        """
        return self.missing["order_num_total_ever_offline"] - self.platforms["Online"].customers


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


def _group(name: str, row: Mapping[str, Any]) -> Group:
    return Group(
        name=name,
        customers=row["total_customers"],
        orders=row["total_orders"],
        revenue=_cents(row["total_revenue"]),
        low=_cents(row["min"]),
        quartiles=(_cents(row["p25"]), _cents(row["p50"]), _cents(row["p75"])),
        high=_cents(row["max"]),
    )


@cache
def published() -> Published:
    """Read the figures that come with this package."""
    data = json.loads(files("samples").joinpath("published.json").read_text("utf-8"))
    channels = {row["order_channel"]: row for row in data["by_order_channel"]}
    platforms = {row["platform_type"]: row for row in data["by_platform_type"]}
    cross = data["platform_by_channel_customers"]
    return Published(
        rows=data["rows"],
        header=tuple(data["header"]),
        missing=data["missing"],
        channels={name: _group(name, channels[name]) for name in CHANNELS},
        platforms={name: _group(name, platforms[name]) for name in PLATFORMS},
        cells={
            (platform, channel): cross[platform][channel]
            for platform in PLATFORMS
            for channel in CHANNELS
            if channel in cross[platform]
        },
        store_types=data["store_type"],
        first_years={int(year): count for year, count in data["first_order_year"].items()},
        last_day=data["max_last_order_date"],
    )


def blend(channel: Group, platform: Group) -> Group:
    """Return figures between a channel's and a platform's, for the customers of both."""
    first, second, third = (
        (a + b) // 2 for a, b in zip(channel.quartiles, platform.quartiles, strict=True)
    )
    return Group(
        name=f"{platform.name} x {channel.name}",
        customers=1,
        orders=1,
        revenue=(channel.mean + platform.mean) // 2,
        low=max(channel.low, platform.low),
        quartiles=(first, second, third),
        high=min(channel.high, platform.high),
    )
