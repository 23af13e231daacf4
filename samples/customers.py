"""From what a customer amounts to (cell, orders, revenue, first year) to a whole row."""

from dataclasses import dataclass

import numpy as np

from samples.clock import DAY, HOUR, day_number
from samples.noise import Ints, Mask, below, choose, fraction
from samples.published import CHANNELS, PLATFORMS, published
from samples.rows import (
    CATEGORIES,
    CATEGORY_WEIGHTS,
    CHANNEL_OFFLINE,
    GROUPS,
    MISSING,
    PLATFORM_ONLINE,
    Rows,
    master_ids,
)

CELLS = tuple(published().cells)
_LAST_DAY = day_number(published().last_day)
_OPENING = 8 * HOUR
_OPEN_SECONDS = 15 * HOUR

_CELL_CHANNEL = np.array([CHANNELS.index(channel) for _, channel in CELLS], dtype=np.int64)
_CELL_PLATFORM = np.array([PLATFORMS.index(platform) for platform, _ in CELLS], dtype=np.int64)
_GROUP_WEIGHTS = (1, 5, 2, 3, 4)
# The group that each category list names, the first of GROUPS if several.
_GROUP_OF_LIST = np.array(
    [next((i for i, group in enumerate(GROUPS) if group in text), 0) for text in CATEGORIES],
    dtype=np.int64,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is decided about customers before their rows are filled in, one array per fact.

    `cell` is a position in `CELLS`; `orders` is 0 for the few without any order, `cents`
    the revenue of both sides.
    """

    index: Ints
    cell: Ints
    orders: Ints
    cents: Ints
    first_year: Ints
    store: Ints
    categories: Ints
    online_group: Ints
    offline_group: Ints

    @property
    def channel(self) -> Ints:
        """The order channel of each customer."""
        return _CELL_CHANNEL[self.cell]

    @property
    def platform(self) -> Ints:
        """The platform of each customer."""
        return _CELL_PLATFORM[self.cell]

    @property
    def has_online(self) -> Mask:
        """Who has orders online: all but those whose order channel is Offline."""
        online: Mask = self.channel != CHANNEL_OFFLINE
        return online

    @property
    def has_offline(self) -> Mask:
        """Who has orders offline: all with orders but the Online platform."""
        offline: Mask = (self.platform != PLATFORM_ONLINE) & (self.orders > 0)
        return offline


def draw_categories(seed: int, index: Ints) -> Ints:
    """Return a category list for each index; never missing."""
    return choose(seed, "categories", index, tuple(CATEGORY_WEIGHTS.values()))


def draw_group(seed: int, side: str, index: Ints, categories: Ints) -> Ints:
    """Return the top product group on one side: one of the categories where there are any."""
    free = choose(seed, f"{side} group", index, _GROUP_WEIGHTS)
    return np.where(categories == MISSING, free, _GROUP_OF_LIST[categories])


def _year_start(year: Ints) -> Ints:
    return (year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)


def _opening_time(seed: int, stream: str, index: Ints) -> Ints:
    return _OPENING + below(seed, stream, index, _OPEN_SECONDS)


def _first_and_last(seed: int, draft: Draft) -> tuple[Ints, Ints]:
    """Draw the first and last order; one order is both."""
    index = draft.index
    begin = _year_start(draft.first_year)
    days = np.minimum(_year_start(draft.first_year + 1), _LAST_DAY + 1) - begin
    day = begin + below(seed, "first day", index, days)
    first = day * DAY + _opening_time(seed, "first time", index)
    last_day = day + below(seed, "last day", index, _LAST_DAY + 1 - day)
    last = last_day * DAY + _opening_time(seed, "last time", index)
    return first, np.where(draft.orders == 1, first, np.maximum(first, last))


def _other_side(seed: int, draft: Draft, first: Ints, last: Ints) -> Ints:
    """Draw the last order of the side that is not the most recent one."""
    days = (last - first) // DAY + 1
    at = (first // DAY + below(seed, "other day", draft.index, days)) * DAY
    at += _opening_time(seed, "other time", draft.index)
    # Of two orders, one on each side, the other one is the first.
    return np.where(draft.orders == 2, first, np.clip(at, first, last))


def _offline_part(seed: int, draft: Draft) -> tuple[Ints, Ints]:
    """Split orders and cents: return what was bought offline, the rest is online."""
    index, both = draft.index, draft.has_online & draft.has_offline
    orders = 1 + below(seed, "offline orders", index, np.maximum(draft.orders - 1, 1))
    # Between half and all of what the orders' share would be, never nothing and never all.
    share = (1 << 15) + (fraction(seed, "offline cents", index) >> 17)
    cents = (draft.cents * orders // np.maximum(draft.orders, 1)) * share >> 16
    cents = np.clip(cents, 1, np.maximum(draft.cents - 1, 1))
    only = ~draft.has_online
    return (
        np.where(both, orders, np.where(only, draft.orders, 0)),
        np.where(both, cents, np.where(only, draft.cents, 0)),
    )


def complete(seed: int, family: int, draft: Draft) -> Rows:
    """Fill in the rest of each row, so that the row agrees with itself.

    The last order is the later of the two sides' last orders, the first is not after any,
    and a side without orders has no time, no count and no value.
    """
    first, last = _first_and_last(seed, draft)
    other = _other_side(seed, draft, first, last)
    both = draft.has_online & draft.has_offline
    offline_last = below(seed, "last side", draft.index, 3) == 0
    online_at = np.where(both & offline_last, other, last)
    offline_at = np.where(both & ~offline_last, other, last)
    orders, cents = _offline_part(seed, draft)
    channel = draft.channel
    return Rows(
        master_id=master_ids(seed, family, draft.index),
        channel=channel,
        platform=draft.platform,
        last_channel=np.where(both & offline_last, CHANNEL_OFFLINE, channel),
        first_at=first,
        last_at=last,
        online_at=np.where(draft.has_online, online_at, MISSING),
        offline_at=np.where(draft.has_offline, offline_at, MISSING),
        online_orders=np.where(draft.has_online, draft.orders - orders, MISSING),
        offline_orders=np.where(draft.has_offline, orders, MISSING),
        offline_cents=cents,
        online_cents=draft.cents - cents,
        categories=draft.categories,
        online_group=np.where(draft.has_online, draft.online_group, MISSING),
        offline_group=np.where(draft.has_offline, draft.offline_group, MISSING),
        store=draft.store,
    )
