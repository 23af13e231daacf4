"""Days, times and offsets in Istanbul, and when each drop is made."""

from datetime import UTC, date, datetime

import numpy as np

from samples.noise import Ints

DAY = 86_400
HOUR = 3_600
FIRST_DROP = int(datetime(2021, 6, 1, 9, tzinfo=UTC).timestamp())

# Wall clocks stood at +03:00 in these spans (both ends included) and stay there since the
# last one began; on all other days at +02:00. Rows of the years before 2017 are made for
# daytime only, so a day has one offset. Two of the dates were moved for elections.
_SUMMERS = (
    ("2013-03-31", "2013-10-26"),
    ("2014-03-31", "2014-10-25"),
    ("2015-03-29", "2015-11-07"),
    ("2016-03-27", "9999-12-31"),
)


def day_number(text: str) -> int:
    """Return the days from 1970-01-01 to an ISO date."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def is_summer(day: Ints) -> Ints:
    """Return 1 for each day whose offset is +03:00, else 0."""
    summer = np.zeros(len(day), dtype=np.int64)
    for begin, end in _SUMMERS:
        summer |= ((day >= day_number(begin)) & (day <= day_number(end))).astype(np.int64)
    return summer


def drop_time(number: int) -> int:
    """Return when drop `number` (from 1) is made, in seconds since 1970 UTC: hourly."""
    return FIRST_DROP + (number - 1) * HOUR


def wall_clock(instant: Ints) -> Ints:
    """Return the Istanbul wall clock, in seconds, at instants after March 2016."""
    return instant + 3 * HOUR
