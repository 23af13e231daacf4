"""How revenue is spread within a group: its quartiles, and a long tail that meets the mean."""

import numpy as np

from samples.noise import Ints
from samples.published import Group

ONE = 1 << 32


def _power(base: Ints, exponent: int) -> Ints:
    """Raise fractions of 2**32 to a whole power, in integers."""
    result = np.full(len(base), ONE - 1, dtype=np.int64)
    square = base
    while exponent:
        if exponent & 1:
            result = _times(result, square)
        square = _times(square, square)
        exponent >>= 1
    return result


def _times(a: Ints, b: Ints) -> Ints:
    # Both lose their lowest bit first, so that the product of two keeps within 63 bits.
    return ((a >> 1) * (b >> 1)) >> 30


def revenue_at(group: Group, place: Ints) -> Ints:
    """Return the revenue in cents at each place, a fraction of 2**32 of the way up.

    Linear between the quartiles. Above the third one a square carries to three times its
    value, and a high power to the maximum; the power is the one that meets the mean.
    """
    first, second, third = group.quartiles
    knots = np.array([group.low, first, second, third], dtype=np.int64)
    quarter = np.minimum(place >> 30, 2)
    within = place - (quarter << 30)
    lower = knots[quarter] + (((knots[quarter + 1] - knots[quarter]) * within) >> 30)
    rise = np.maximum(place - 3 * (ONE >> 2), 0) << 2
    tail = third + ((2 * third * _power(rise, 2)) >> 32)
    steep = group.high - 3 * third
    tail += (steep * _power(rise, _tail_exponent(group))) >> 32
    return np.where(place >> 30 == 3, tail, lower)


def _tail_exponent(group: Group) -> int:
    first, second, third = group.quartiles
    below_tail = group.low + 2 * first + 2 * second + third
    mean_of_tail = 4 * group.mean - below_tail // 2
    gap = mean_of_tail - third - 2 * third // 3
    return max(2, (group.high - 3 * third) // max(gap, 1) - 1)
