"""Customers drawn at random, in about the published shares: each a function of its index."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from samples.clock import wall_clock
from samples.customers import CELLS, Draft, complete, draw_categories, draw_group
from samples.noise import Ints, below, choose, fraction
from samples.published import blend, published
from samples.rows import MISSING, Rows
from samples.shape import revenue_at

FULL_FAMILY = 1
NEW_FAMILY = 2

_FIGURES = published()
_SHAPES = [blend(_FIGURES.channels[c], _FIGURES.platforms[p]) for p, c in CELLS]
_SIZES = [_FIGURES.cells[cell] for cell in CELLS]
_ONE_SIDED = [0 if p == "OmniChannel" else _FIGURES.cells[p, c] for p, c in CELLS]
_OMNI_OFFLINE = CELLS.index(("OmniChannel", "Offline"))
_YEARS = tuple(_FIGURES.first_years)
_THOUSAND = 1_000


def _least(cell: tuple[str, str]) -> int:
    platform, channel = cell
    return 2 if platform == "OmniChannel" and channel != "Offline" else 1


def _mean_orders(cell: tuple[str, str]) -> int:
    """Return thousandths of orders per customer, between the channel's and the platform's."""
    platform, channel = _FIGURES.platforms[cell[0]], _FIGURES.channels[cell[1]]
    return sum(_THOUSAND * group.orders // group.customers for group in (platform, channel)) // 2


def _cents(seed: int, index: Ints, cell: Ints) -> Ints:
    place, cents = fraction(seed, "revenue", index), np.zeros(len(index), dtype=np.int64)
    for number, shape in enumerate(_SHAPES):
        members = np.flatnonzero(cell == number)
        cents[members] = revenue_at(shape, place[members])
    return cents


def _orders(seed: int, index: Ints, cell: Ints, cents: Ints) -> Ints:
    """Draw orders that grow with revenue; a few customers of one cell have none."""
    least = np.array([_least(c) for c in CELLS], dtype=np.int64)
    mean = np.array([_mean_orders(c) for c in CELLS], dtype=np.int64)
    surplus = np.maximum(mean - least * _THOUSAND, 0)[cell]
    revenue = np.array([shape.mean for shape in _SHAPES], dtype=np.int64)[cell]
    noise = 128 + below(seed, "order noise", index, 256)
    more = surplus * cents // revenue * noise // 256
    more = more // _THOUSAND + (below(seed, "order part", index, _THOUSAND) < more % _THOUSAND)
    size = _SIZES[_OMNI_OFFLINE]
    none = (cell == _OMNI_OFFLINE) & (
        below(seed, "no orders", index, size) < _FIGURES.without_orders
    )
    return np.where(none, 0, least[cell] + more)


def _keep(seed: int, stream: str, value: Ints, index: Ints, part: int, whole: int) -> Ints:
    """Leave `part` of each `whole` values, and make the others missing."""
    return np.where(below(seed, stream, index, whole) < part, value, MISSING)


def _facts(seed: int, index: Ints) -> Mapping[str, Ints]:
    missing, rows = _FIGURES.missing, _FIGURES.rows
    filled = {name: rows - count for name, count in missing.items()}
    lists = filled["interested_in_categories_12"]
    online = filled["online_product_group_amount_top_name_12"]
    offline = filled["offline_product_group_name_12"]
    categories = _keep(seed, "listed", draw_categories(seed, index), index, lists, rows)
    online_group = draw_group(seed, "online", index, categories)
    offline_group = draw_group(seed, "offline", index, categories)
    with_online = filled["order_num_total_ever_online"]
    with_offline = filled["order_num_total_ever_offline"]
    return {
        "categories": categories,
        "online_group": _keep(seed, "top online", online_group, index, online, with_online),
        "offline_group": _keep(seed, "top offline", offline_group, index, offline, with_offline),
        "store": choose(seed, "store", index, [*_FIGURES.store_types.values()]),
    }


def draw_full(seed: int, index: Ints) -> Rows:
    """Return what a full drop says about these customers."""
    cell = choose(seed, "cell", index, _SIZES)
    cents = _cents(seed, index, cell)
    orders = _orders(seed, index, cell, cents)
    year = choose(seed, "first year", index, [*_FIGURES.first_years.values()])
    draft = Draft(
        index=index,
        cell=cell,
        orders=orders,
        cents=np.where(orders == 0, 0, cents),
        first_year=np.array(_YEARS, dtype=np.int64)[year],
        **_facts(seed, index),
    )
    return complete(seed, FULL_FAMILY, draft)


def draw_new(seed: int, index: Ints, instant: int) -> Rows:
    """Return new customers: one order, on one side, in the hour before `instant`."""
    seed = seed ^ (1 << 32)
    cell = choose(seed, "cell", index, _ONE_SIDED)
    draft = Draft(
        index=index,
        cell=cell,
        orders=np.ones(len(index), dtype=np.int64),
        cents=_cents(seed, index, cell),
        first_year=np.full(len(index), _YEARS[-1], dtype=np.int64),
        **_facts(seed, index),
    )
    at = wall_clock(instant - 1 - below(seed, "new time", index, 3_599))
    rows = complete(seed, NEW_FAMILY, draft)
    return replace(
        rows,
        first_at=at,
        last_at=at,
        online_at=np.where(draft.has_online, at, MISSING),
        offline_at=np.where(draft.has_offline, at, MISSING),
    )
