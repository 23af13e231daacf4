"""The KPIs again, in fractions: no Spark, no rounding, no code of the project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

Row = tuple[Any, ...]
Numbers = dict[str, Any]

CHANNEL, PLATFORM = 0, 1


def oracle(rows: Iterable[Row], *positions: int) -> dict[Row, Numbers]:
    """Recompute the KPIs of each group.

    A row is a customer: channel, platform, orders, revenue; ``positions`` say which of the first
    two name a group.
    """
    groups: dict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[position] for position in positions)].append(row)
    return {group: _numbers(members) for group, members in groups.items()}


def _numbers(members: list[Row]) -> Numbers:
    size = len(members)
    orders = sum(row[2] for row in members)
    values = sorted(Fraction(row[3]) for row in members)
    return {
        "total_customers": size,
        "total_orders": orders,
        "avg_orders": float(Fraction(orders, size)),
        "total_revenue": _decimal(sum(values), 2),
        "avg_revenue": float(sum(values) / size),
        "revenue_min": _decimal(values[0], 4),
        "revenue_p25": _decimal(_quantile(values, Fraction(1, 4)), 4),
        "revenue_p50": _decimal(_quantile(values, Fraction(1, 2)), 4),
        "revenue_p75": _decimal(_quantile(values, Fraction(3, 4)), 4),
        "revenue_max": _decimal(values[-1], 4),
    }


def _quantile(values: list[Fraction], share: Fraction) -> Fraction:
    position = share * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


def _decimal(value: Fraction | int, scale: int) -> Decimal:
    scaled = Fraction(value) * 10**scale
    assert scaled.denominator == 1, "the value has to fit its column exactly"
    return Decimal(f"{scaled.numerator}e-{scale}")


def same(found: dict[Row, Numbers], expected: dict[Row, Numbers]) -> None:
    """Compare exactly; averages of more than 2^53 cents may differ in the last place."""
    assert found.keys() == expected.keys()
    for group, numbers in expected.items():
        small = numbers["total_revenue"] * 100 <= 2**53
        for name, value in numbers.items():
            if name == "avg_revenue" and not small:
                assert found[group][name] == pytest.approx(value, rel=4e-16, abs=0)
            else:
                assert found[group][name] == value, (group, name)
