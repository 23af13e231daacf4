"""How numbers and dates may be written, as patterns that Python and RE2 (Arrow's) read alike.

All are anchored and use ASCII digits only; cells are trimmed beforehand.
"""

from __future__ import annotations

# Excel writes 1E+05 for long numbers; three exponent digits are more than any real value needs.
_EXPONENT = r"(?:[eE][+-]?[0-9]{1,3})?"
# A thousands mark stands between groups of exactly three digits, and never after a leading zero.
_GROUPED = r"[1-9][0-9]{0,2}(?:%s[0-9]{3})+"
_NUMBER = r"^[+-]?(?:(?:[0-9]+|" + _GROUPED + r")(?:%s[0-9]*)?|%s[0-9]+)" + _EXPONENT + r"$"

NUMBER_POINT = _NUMBER % (",", r"\.", r"\.")
"""A number with a decimal point: ``12.5``, ``1,234.56``, ``-4``, ``1E+05``."""

NUMBER_COMMA = _NUMBER % (r"\.", ",", ",")
"""A number with a decimal comma: ``12,5``, ``1.234,56``, ``-4``, ``1,5E+05``."""

TIME_PART = (
    r"[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
"""A time after a date, unanchored; groups: hour, minute, second, fraction, offset."""

YMD_PART = r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
"""A date with its year first, unanchored; groups: year, month, day."""

DMY_PART = r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})"
"""A date with its year last, unanchored; groups: day and month in the file's order, year."""

DATE_YMD = f"^{YMD_PART}(?:{TIME_PART})?$"
"""Year first; groups 1 to 3: year, month, day; 4 to 8: those of ``TIME_PART``."""

DATE_DMY = f"^{DMY_PART}(?:{TIME_PART})?$"
"""Year last; groups 1 and 2: day and month in the file's order; 3: year; 4 to 8: time."""

_YEAR = "(?:19|[2-8][0-9])"  # and two digits more
_LEAP_YEAR = f"(?:{_YEAR}(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[357][26])00)"
_CALENDAR_DAY = (
    f"(?:{_YEAR}[0-9]{{2}}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP_YEAR}-02-29)"
)
ISO_TIME = (
    f"^{_CALENDAR_DAY}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-7]):[0-5][0-9])?)?$"
)
"""A date of the calendar from 1900 to 8999, or one with a time, as ISO 8601 writes it in full:
``2021-05-30``, ``2021-05-30T10:00:00.000Z``, ``2021-05-30 10:00:00``."""
