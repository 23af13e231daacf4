"""Revenue per customer that adds up by channel and by platform at once, to the cent.

Each cell (platform x channel) begins with the spread between its two groups' figures. Then,
in turn, each channel and each platform bends its customers' values so that its quartiles and
sum are met, as iterative proportional fitting does with counts. What little is left of the
sums afterwards is added to values above all quartiles.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from samples.noise import Ints
from samples.published import Group, Published, blend
from samples.shape import ONE, revenue_at

_FINE = 64  # values are kept in this part of a cent while they are bent
_ROUNDS = 60
_SNAP = 250  # values nearer to a quartile than a 250th of it become the quartile

Cell = tuple[str, str]


@dataclass(slots=True)
class CellValues:
    """The values of one cell: `pinned` ones stay, the others (ascending) may be bent."""

    pinned: Ints
    values: Ints
    low: int
    high: int

    def total(self) -> int:
        """Return the sum of all values."""
        return int(self.pinned.sum() + self.values.sum())


def _pins(figures: Published) -> dict[Cell, list[int]]:
    """Say which cell has each published minimum and maximum, in cents.

    A platform's maximum that is no channel's, and the other way round, leaves one cell only;
    where two would do, the Online one is taken.
    """
    pins: dict[Cell, list[int]] = {cell: [] for cell in figures.cells}
    platforms, channels = figures.platforms, figures.channels
    pins["Offline", "Offline"] += [platforms["Offline"].low, platforms["Offline"].high]
    pins["OmniChannel", "Offline"] += [0] * figures.without_orders
    pins["OmniChannel", "Offline"] += [channels["Offline"].high]
    for channel, group in channels.items():
        if channel != "Offline":
            pins["Online", channel] += [group.low, group.high]
    return pins


def _begin(figures: Published) -> dict[Cell, CellValues]:
    cells = {}
    for (platform, channel), pins in _pins(figures).items():
        size = figures.cells[platform, channel] - len(pins)
        group = blend(figures.channels[channel], figures.platforms[platform])
        place = (2 * np.arange(size, dtype=np.int64) + 1) * (ONE // 2) // size
        low = max(group.low, 999)
        cells[platform, channel] = CellValues(
            pinned=np.array(pins, dtype=np.int64) * _FINE,
            values=np.clip(revenue_at(group, place), low, group.high) * _FINE,
            low=low * _FINE,
            high=group.high * _FINE,
        )
    return cells


def _bend(group: Group, cells: list[CellValues]) -> None:
    """Move the group's quartiles and sum to the published ones."""
    pooled = np.sort(np.concatenate([part for c in cells for part in (c.pinned, c.values)]))
    now = [int(pooled[(len(pooled) - 1) * k // 4]) for k in (1, 2, 3)]
    goal = [quartile * _FINE for quartile in group.quartiles]
    knots, targets = np.array([0, *now], dtype=np.int64), np.array([0, *goal], dtype=np.int64)
    for cell in cells:
        part = np.clip(np.searchsorted(knots, cell.values, side="right") - 1, 0, 2)
        width = np.maximum(knots[part + 1] - knots[part], 1)
        rise = (cell.values - knots[part]) * (targets[part + 1] - targets[part])
        bent = targets[part] + rise // width
        tail = cell.values > now[2]
        cell.values = np.where(tail, cell.values - now[2] + goal[2], bent)
    excess = sum(int((c.values[c.values > goal[2]] - goal[2]).sum()) for c in cells)
    surplus = sum(c.total() for c in cells) - group.revenue * _FINE
    ratio = max(0, (excess - surplus) * (1 << 20) // max(excess, 1))
    for cell in cells:
        grown = goal[2] + (((cell.values - goal[2]) * ratio) >> 20)
        cell.values = np.where(cell.values > goal[2], grown, cell.values)
        cell.values = np.clip(cell.values, cell.low, cell.high)


def _groups(figures: Published) -> Iterable[tuple[Group, list[Cell]]]:
    for channel, group in figures.channels.items():
        yield group, [cell for cell in figures.cells if cell[1] == channel]
    for platform, group in figures.platforms.items():
        yield group, [cell for cell in figures.cells if cell[0] == platform]


def _snap(values: Ints, quartiles: Iterable[int]) -> Ints:
    """Round to cents, and onto the nearest quartile if near: ties hold it in place."""
    cents = values // _FINE
    goals = np.array(sorted(set(quartiles)), dtype=np.int64)
    nearest = goals[np.searchsorted((goals[1:] + goals[:-1]) // 2, cents)]
    return np.where(np.abs(cents - nearest) * _SNAP <= nearest, nearest, cents)


def _shift(figures: Published, cells: dict[Cell, CellValues]) -> dict[Cell, int]:
    """Return the cents to add to each cell so that every group's sum is exact."""
    platforms, channels = figures.platforms, figures.channels
    total = {cell: values.total() for cell, values in cells.items()}
    shift = {}
    shift["Offline", "Offline"] = platforms["Offline"].revenue - total["Offline", "Offline"]
    shift["OmniChannel", "Offline"] = (
        channels["Offline"].revenue - platforms["Offline"].revenue - total["OmniChannel", "Offline"]
    )
    online = [name for name in channels if name != "Offline"]
    for name in online:
        both = total["Online", name] + total["OmniChannel", name]
        shift["Online", name] = channels[name].revenue - both
        shift["OmniChannel", name] = 0
    move = platforms["Online"].revenue - sum(
        total["Online", name] + shift["Online", name] for name in online
    )
    for name, part in zip(online, _even_parts(move, len(online)), strict=True):
        shift["Online", name] += part
        shift["OmniChannel", name] -= part
    return shift


def _even_parts(amount: int, parts: int) -> list[int]:
    return [amount * (k + 1) // parts - amount * k // parts for k in range(parts)]


def _add(cell: CellValues, amount: int, above: int) -> None:
    """Spread an amount of cents over the values above all quartiles, away from the limits."""
    tail = np.flatnonzero((cell.values > above * 11 // 10) & (cell.values < cell.high * 9 // 10))
    cell.values[tail] += np.array(_even_parts(amount, len(tail)), dtype=np.int64)


def fit_revenue(figures: Published) -> dict[Cell, Ints]:
    """Return the revenue in cents of each cell's customers, pinned values first."""
    cells = _begin(figures)
    for _ in range(_ROUNDS):
        for group, members in _groups(figures):
            _bend(group, [cells[cell] for cell in members])
    highest = {}
    for (platform, channel), cell in cells.items():
        both = figures.channels[channel].quartiles + figures.platforms[platform].quartiles
        cell.values = _snap(cell.values, both)
        cell.pinned = cell.pinned // _FINE
        cell.low, cell.high = cell.low // _FINE, cell.high // _FINE
        highest[platform, channel] = max(both)
    for name, amount in _shift(figures, cells).items():
        _add(cells[name], amount, highest[name])
    return {name: np.concatenate([c.pinned, c.values]) for name, c in cells.items()}
