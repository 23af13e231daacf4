"""The 100,000-row file: made-up customers that add up to the published cells exactly."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from samples.clock import drop_time
from samples.customers import CELLS, Draft, complete, draw_categories, draw_group
from samples.noise import Ints, Mask, fraction, shuffled, words
from samples.published import Published, published
from samples.revenue import fit_revenue
from samples.rows import MISSING, NO_CATEGORY
from samples.write import slices, write_file

FILE_NAME = "flo100k.csv"
_SEED = 100_000
_FAMILY = 0


def _spread(total: int, least: Ints, weight: Ints) -> Ints:
    """Give everyone their least, and share out the rest of the total by weight."""
    rest = total - int(least.sum())
    shares = weight * rest
    given = shares // int(weight.sum())
    left = shares - given * int(weight.sum())
    latest = np.argsort(-left, kind="stable")[: rest - int(given.sum())]
    given[latest] += 1
    return least + given


def _order_totals(figures: Published) -> dict[tuple[str, str], int]:
    """Return the orders of each cell: they add up by channel and by platform.

    The two Offline cells follow from the published sums. Each online channel's orders are
    split between Online and OmniChannel by customers and the platforms' orders per customer.
    """
    channels, platforms = figures.channels, figures.platforms
    offline = platforms["Offline"].orders
    omni_offline = channels["Offline"].orders - offline
    omni = platforms["OmniChannel"].orders - omni_offline
    names = [name for name in channels if name != "Offline"]
    omni_people = sum(figures.cells["OmniChannel", name] for name in names)
    totals = {("Offline", "Offline"): offline, ("OmniChannel", "Offline"): omni_offline}
    for name in names:
        # Both in orders per (customers of OmniChannel x customers of Online).
        one = figures.cells["OmniChannel", name] * omni * platforms["Online"].customers
        two = figures.cells["Online", name] * platforms["Online"].orders * omni_people
        totals["OmniChannel", name] = channels[name].orders * one // (one + two)
    largest = max(names, key=lambda name: channels[name].orders)
    totals["OmniChannel", largest] += omni - sum(totals["OmniChannel", name] for name in names)
    for name in names:
        totals["Online", name] = channels[name].orders - totals["OmniChannel", name]
    return totals


def _amounts(figures: Published) -> tuple[Ints, Ints, Ints]:
    """Return cell, cents and orders of every customer, cell after cell."""
    revenue, totals = fit_revenue(figures), _order_totals(figures)
    cells, cents, orders = [], [], []
    for number, (platform, channel) in enumerate(CELLS):
        values = revenue[platform, channel]
        least = np.full(len(values), 1, dtype=np.int64)
        if platform == "OmniChannel" and channel != "Offline":
            least += 1
        weight = values + 1
        if (platform, channel) == ("OmniChannel", "Offline"):
            # Those without any order are the first, with the values pinned to nothing.
            least[: figures.without_orders] = 0
            weight[: figures.without_orders] = 0
        place = np.arange(len(values), dtype=np.int64)
        noise = 1 + (fraction(_SEED + number, "order weight", place) >> 24)
        cells.append(np.full(len(values), number, dtype=np.int64))
        cents.append(values)
        orders.append(_spread(totals[platform, channel], least, weight * noise))
    return np.concatenate(cells), np.concatenate(cents), np.concatenate(orders)


def _exactly(stream: str, index: Ints, counts: Mapping[int, int]) -> Ints:
    """Hand out each value as often as its count says (the counts add up to the rows)."""
    values = np.repeat(np.array([*counts], dtype=np.int64), [*counts.values()])
    return values[shuffled(_SEED, stream, index)]


def _some(stream: str, index: Ints, likely: Mask, able: Mask, count: int) -> Mask:
    """Choose `count` of those who are able, the likely ones first."""
    rank = words(_SEED, stream, index) >> np.uint64(2)
    rank += np.where(likely, 0, 1 << 62).astype(np.uint64)
    rank += np.where(able, 0, 1 << 63).astype(np.uint64)
    chosen = np.zeros(len(index), dtype=np.bool_)
    chosen[np.argsort(rank, kind="stable")[:count]] = True
    return chosen


def _draft(figures: Published) -> Draft:
    index = np.arange(figures.rows, dtype=np.int64)
    mixed = shuffled(_SEED, "row order", index)
    cell, cents, orders = (column[mixed] for column in _amounts(figures))
    filled = {name: figures.rows - count for name, count in figures.missing.items()}
    everyone = np.ones(figures.rows, dtype=np.bool_)
    listed = _some("listed", index, everyone, everyone, filled["interested_in_categories_12"])
    categories = np.where(listed, draw_categories(_SEED, index), MISSING)
    nothing = np.full(figures.rows, MISSING, dtype=np.int64)
    draft = Draft(
        index=index,
        cell=cell,
        orders=orders,
        cents=cents,
        first_year=_exactly("first year", index, figures.first_years),
        store=_exactly("store", index, dict(enumerate(figures.store_types.values()))),
        categories=categories,
        online_group=nothing,
        offline_group=nothing,
    )
    return _with_groups(draft, filled)


def _with_groups(draft: Draft, filled: Mapping[str, int]) -> Draft:
    """Name a top product group for as many as published, on the sides they bought on."""
    index, likely = draft.index, (draft.categories != MISSING) & (draft.categories != NO_CATEGORY)
    chosen = {
        "online": _some(
            "online group chosen",
            index,
            likely,
            draft.has_online,
            filled["online_product_group_amount_top_name_12"],
        ),
        "offline": _some(
            "offline group chosen",
            index,
            likely,
            draft.has_offline,
            filled["offline_product_group_name_12"],
        ),
    }
    groups = {
        f"{side}_group": np.where(where, draw_group(_SEED, side, index, draft.categories), MISSING)
        for side, where in chosen.items()
    }
    return replace(draft, **groups)


def write_flo100k(out: Path) -> list[Path]:
    """Write the 100,000-row file in layout V7 as `flo100k.csv` in `out`; return its path.

    It holds every published count, sum, minimum and maximum exactly (see `published.json`).
    Its modification time is that of a first drop. Raise OSError where `out` cannot be
    written.
    """
    rows = complete(_SEED, _FAMILY, _draft(published()))
    parts = (rows.take(np.arange(begin, end)) for begin, end in slices(len(rows)))
    return [write_file(out / FILE_NAME, parts, "V7", drop_time(1))]
