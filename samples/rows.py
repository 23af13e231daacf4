"""Customer rows as columns of numbers, before any layout makes text of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samples.noise import Ints, Mask, words
from samples.published import CHANNELS, PLATFORMS

MISSING = -1

CHANNEL_OFFLINE = CHANNELS.index("Offline")
PLATFORM_OFFLINE = PLATFORMS.index("Offline")
PLATFORM_OMNI = PLATFORMS.index("OmniChannel")
PLATFORM_ONLINE = PLATFORMS.index("Online")

GROUPS = ("AKTIFCOCUK", "AKTIFSPOR", "COCUK", "ERKEK", "KADIN")
CATEGORY_WEIGHTS = {
    "[AKTIFSPOR]": 17,
    "[KADIN]": 11,
    "[]": 10,
    "[ERKEK]": 10,
    "[KADIN, AKTIFSPOR]": 7,
    "[ERKEK, AKTIFSPOR]": 6,
    "[COCUK]": 5,
    "[ERKEK, KADIN]": 4,
    "[ERKEK, KADIN, AKTIFSPOR]": 4,
    "[AKTIFCOCUK]": 3,
    "[COCUK, KADIN]": 2,
    "[AKTIFCOCUK, COCUK]": 2,
    "[ERKEK, COCUK]": 2,
    "[ERKEK, COCUK, KADIN, AKTIFSPOR]": 1,
    "[AKTIFCOCUK, ERKEK, COCUK, KADIN, AKTIFSPOR]": 1,
}
CATEGORIES = tuple(CATEGORY_WEIGHTS)
NO_CATEGORY = CATEGORIES.index("[]")

# A node of our own, locally administered: no identifier made here can be a real one.
_NODE = b"0200f10f10f1"
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Rows:
    """What one drop says about some customers, one array per column.

    Times are seconds of Istanbul wall-clock time since 1970, money is in cents, names are
    positions in their tables; `MISSING` (-1) is an empty field. A side without orders has
    count and time missing and value 0.
    """

    master_id: NDArray[np.bytes_]
    channel: Ints
    platform: Ints
    last_channel: Ints
    first_at: Ints
    last_at: Ints
    online_at: Ints
    offline_at: Ints
    online_orders: Ints
    offline_orders: Ints
    offline_cents: Ints
    online_cents: Ints
    categories: Ints
    online_group: Ints
    offline_group: Ints
    store: Ints

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.master_id)

    def take(self, chosen: Ints | Mask) -> "Rows":
        """Return the chosen rows, in the order asked for."""
        picked: dict[str, Any] = {f.name: getattr(self, f.name)[chosen] for f in fields(self)}
        return replace(self, **picked)


def stack(parts: Sequence[Rows]) -> Rows:
    """Return all rows of the parts, one part after the other (at least one part)."""
    joined: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Rows)
    }
    return Rows(**joined)


def master_ids(seed: int, family: int, index: Ints) -> NDArray[np.bytes_]:
    """Return identifiers that look like a UUIDv1, one per index.

    Indices below 2**32 never share one: the first eight digits are a one-to-one function
    of the index. Families (0 .. 4095) never share one either.
    """
    word = words(seed, "master_id", index)
    # A multiplication by an odd number and a shift-xor can both be undone modulo 2**32.
    low = index.astype(np.uint64) * np.uint64(0x9E3779B1) + np.uint64(0x5BD1E995)
    low = low & np.uint64(0xFFFFFFFF)
    low = low ^ (low >> np.uint64(15))
    text = np.empty((len(index), 36), dtype=np.uint8)
    text[:] = np.frombuffer(b"00000000-0000-11e0-8%03x-" % family + _NODE, dtype=np.uint8)
    for place in range(8):
        text[:, 7 - place] = _HEX[((low >> np.uint64(4 * place)) & np.uint64(15)).astype(np.intp)]
    for place in range(4):
        text[:, 9 + place] = _HEX[((word >> np.uint64(4 * place)) & np.uint64(15)).astype(np.intp)]
    text[:, 17] = _HEX[7 + ((word >> np.uint64(32)) % np.uint64(5)).astype(np.intp)]
    return text.reshape(-1).view("S36")
