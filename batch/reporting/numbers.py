"""Numbers and names as a reader of the report sees them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from batch.reporting.figures import Name

NOTHING = "–"
MISSING = "(missing)"
# Control characters of a supplier's text are in no XML, and would hide what is there.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
# Not by the machine's locale.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_STEPS = ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))

Number = int | float | Decimal


def count(value: int) -> str:
    """Write a count: ``1,234,567``."""
    return f"{value:,}"


def money(value: Number | None) -> str:
    """Write an amount in TL: ``1,234.50``; nothing where there is none."""
    if value is None:
        return NOTHING
    # Not by way of a double, which has sixteen digits only.
    return f"{Decimal(value):,.2f}"


def short(value: Number) -> str:
    """Write an amount in three digits or so: ``12.3 M``."""
    amount = Decimal(value)
    for step, unit in _STEPS:
        if abs(amount) >= step:
            scaled = amount / step
            return f"{scaled:.{0 if abs(scaled) >= 100 else 1}f} {unit}"
    return f"{amount:,.0f}"


def decimals(value: float | None, places: int = 2) -> str:
    """Write a number such as an average."""
    return NOTHING if value is None else f"{value:,.{places}f}"


def share(part: Number, whole: Number) -> str:
    """Write a part of a whole as a percentage; what is there is never shown as 0.0 %."""
    percent = percentage(part, whole)
    if percent is None:
        return NOTHING
    if 0 < percent < 0.05:
        return "< 0.1 %"
    if 99.95 <= percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def percentage(part: Number, whole: Number) -> float | None:
    """Give a part of a whole in percent, 0 to 100; None of nothing."""
    return float(100 * Decimal(part) / Decimal(whole)) if whole else None


def change(before: Number, after: Number) -> str:
    """Write how much a number grew: ``+1.2 %``."""
    if not before:
        return NOTHING
    percent = float(100 * (Decimal(after) - Decimal(before)) / Decimal(before))
    # A true minus is as wide as the plus, so that the digits stand below each other.
    return f"{percent:+,.1f} %".replace("-", "\N{MINUS SIGN}") if percent else "±0.0 %"


def written(day: date) -> str:
    """Write a day: ``7 March 2026``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def label(name: Name) -> str:
    """Write the name of a group: any text may be one, and none."""
    if name is None:
        return MISSING
    return name.translate(_CONTROL) or "(empty)"


def labels(names: Iterable[Name], width: int = 24) -> list[str]:
    """Write names short enough for a chart, and each of them once."""
    made: list[str] = []
    for name in names:
        text = label(name)
        text = text if len(text) <= width else text[: width - 1] + "…"
        shown, again = text, 1
        while shown in made:
            again += 1
            shown = f"{text} #{again}"
        made.append(shown)
    return made
