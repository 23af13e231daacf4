"""A customer's later and earlier states: after another order, and before the last one."""

from dataclasses import replace

import numpy as np

from samples.clock import DAY, HOUR, wall_clock
from samples.noise import Ints, Mask, below, choose, fraction
from samples.published import published
from samples.rows import (
    CHANNEL_OFFLINE,
    MISSING,
    PLATFORM_OFFLINE,
    PLATFORM_OMNI,
    PLATFORM_ONLINE,
    Rows,
)

_ONLINE_WEIGHTS = [
    0 if name == "Offline" else group.customers for name, group in published().channels.items()
]


def advance(seed: int, rows: Rows, due: Mask, customer: Ints, done: int, instant: Ints) -> Rows:
    """Add one or two orders to the rows that are due, in the hour before `instant`.

    Mostly on the side of the last order; at times on the other, which makes a customer
    OmniChannel, and gives one who was Offline an online channel.
    """
    stream = f"update {done}"
    at = wall_clock(instant) - 1 - below(seed, f"{stream} time", customer, HOUR - 1)
    switch = below(seed, f"{stream} side", customer, 8) == 0
    online = (rows.last_channel != CHANNEL_OFFLINE) ^ switch
    on, off = due & online, due & ~online
    orders = 1 + below(seed, f"{stream} orders", customer, 2)
    cents = orders * (2_000 + below(seed, f"{stream} cents", customer, 40_000)) - 1
    found = choose(seed, f"{stream} channel", customer, _ONLINE_WEIGHTS)
    channel = np.where(on & (rows.channel == CHANNEL_OFFLINE), found, rows.channel)
    online_orders = np.where(on, np.maximum(rows.online_orders, 0) + orders, rows.online_orders)
    offline_orders = np.where(off, np.maximum(rows.offline_orders, 0) + orders, rows.offline_orders)
    return replace(
        rows,
        channel=channel,
        platform=np.where((online_orders > 0) & (offline_orders > 0), PLATFORM_OMNI, rows.platform),
        last_channel=np.where(on, channel, np.where(off, CHANNEL_OFFLINE, rows.last_channel)),
        last_at=np.where(due, at, rows.last_at),
        online_at=np.where(on, at, rows.online_at),
        offline_at=np.where(off, at, rows.offline_at),
        online_orders=online_orders,
        offline_orders=offline_orders,
        online_cents=rows.online_cents + np.where(on, cents, 0),
        offline_cents=rows.offline_cents + np.where(off, cents, 0),
    )


def _last_side(rows: Rows) -> tuple[Mask, Ints, Ints, Ints]:
    """Return whether the last order was online, that side's orders, and the other's time."""
    online = rows.online_at >= rows.offline_at
    orders = np.where(online, rows.online_orders, rows.offline_orders)
    other_at = np.where(online, rows.offline_at, rows.online_at)
    return online, orders, other_at, rows.first_at // DAY


def can_rewind(rows: Rows) -> Mask:
    """Return which rows had an earlier state: an order left, and all on an earlier day."""
    _, orders, other_at, first_day = _last_side(rows)
    last_day = rows.last_at // DAY
    earlier: Mask = (other_at // DAY < last_day) & (first_day < last_day)
    some_left: Mask = (orders > 1) | ((orders > 0) & (other_at != MISSING))
    return earlier & some_left


def rewind(seed: int, rows: Rows, customer: Ints) -> Rows:
    """Return what was said before the last order; all rows must pass `can_rewind`."""
    online, orders, other_at, first_day = _last_side(rows)
    more = orders > 1
    # One order alone is the first one; with more, the last of them may lie anywhere between.
    alone = (orders == 2) & (other_at == MISSING)
    days = np.where(alone, 1, np.maximum(rows.last_at // DAY - first_day, 1))
    at = np.where(more, rows.first_at + below(seed, "stale day", customer, days) * DAY, MISSING)
    cents = np.where(online, rows.online_cents, rows.offline_cents)
    keep = (1 << 15) + (fraction(seed, "stale cents", customer) >> 17)
    kept = np.where(more, (cents * (orders - 1) // np.maximum(orders, 1)) * keep >> 16, 0)
    left = np.where(more, orders - 1, MISSING)
    online_at = np.where(online, at, rows.online_at)
    channel = np.where(online & ~more, CHANNEL_OFFLINE, rows.channel)
    one_side = np.where(online, PLATFORM_OFFLINE, PLATFORM_ONLINE)
    last_at = np.maximum(at, other_at)
    return replace(
        rows,
        channel=channel,
        platform=np.where(more, rows.platform, one_side),
        last_channel=np.where(online_at == last_at, channel, CHANNEL_OFFLINE),
        last_at=last_at,
        online_at=online_at,
        offline_at=np.where(online, rows.offline_at, at),
        online_orders=np.where(online, left, rows.online_orders),
        offline_orders=np.where(online, rows.offline_orders, left),
        online_cents=np.where(online, kept, rows.online_cents),
        offline_cents=np.where(online, rows.offline_cents, kept),
        online_group=np.where(online & ~more, MISSING, rows.online_group),
        offline_group=np.where(~online & ~more, MISSING, rows.offline_group),
    )
