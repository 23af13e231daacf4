"""Random numbers that are a function of (seed, stream, index) alone.

Everything is 64-bit integer arithmetic (the splitmix64 mixer), never floating point: the
same numbers come out on every machine and with every version of Python and NumPy, and any
row can be made without making those before it.
"""

from collections.abc import Sequence
from math import gcd

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_WORD = (1 << 64) - 1


def _mix_one(word: int) -> int:
    word = (word + _GOLDEN) & _WORD
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def words(seed: int, stream: str, index: Ints) -> Words:
    """Return one 64-bit word per index; streams of different names are independent."""
    key = _mix_one(seed & _WORD)
    for byte in stream.encode("ascii"):
        key = _mix_one(key ^ byte)
    mixed: Words = index.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    return mixed ^ (mixed >> np.uint64(31))


def fraction(seed: int, stream: str, index: Ints) -> Ints:
    """Return one number per index, uniform over 0 .. 2**32 - 1 (thirty-two binary places)."""
    return (words(seed, stream, index) >> np.uint64(32)).astype(np.int64)


def below(seed: int, stream: str, index: Ints, limit: int | Ints) -> Ints:
    """Return one number per index, uniform over 0 .. limit - 1 (limit at most 2**31)."""
    return (fraction(seed, stream, index) * limit) >> 32


def choose(seed: int, stream: str, index: Ints, weights: Sequence[int]) -> Ints:
    """Return one position in `weights` per index, each as often as its weight says."""
    edges = np.cumsum(np.array(weights, dtype=np.int64))
    drawn = below(seed, stream, index, int(edges[-1]))
    return np.searchsorted(edges, drawn, side="right").astype(np.int64)


def shuffled(seed: int, stream: str, index: Ints) -> Ints:
    """Return the positions 0 .. len(index) - 1 in a random order."""
    return np.argsort(words(seed, stream, index), kind="stable").astype(np.int64)


def scatter(seed: int, position: Ints, size: int) -> Ints:
    """Map positions in 0 .. size - 1 one to one onto the same numbers, far apart."""
    step = max(1, (size * 1618) // 2618)
    while gcd(step, size) != 1:
        step += 1
    start = _mix_one(seed & _WORD) % size
    return (position * step + start) % size
