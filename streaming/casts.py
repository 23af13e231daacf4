"""From a cell's text to a typed value, by the notation that its drop uses."""

from __future__ import annotations

from functools import lru_cache, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.contract import Contract
from streaming.notation import DATE_DMY, DATE_YMD, NUMBER_COMMA, NUMBER_POINT, TIME_PART, YMD_PART

# The largest values: two of them fit the features' columns, and the sum over any table of less than
# four billion customers fits a BIGINT and a DECIMAL(38,2).
MAX_COUNT = 10**9
MAX_MONEY = 10**15
# Spark compares two decimals exactly as long as they have no more.
MAX_DECIMALS = 16
# Earlier days are what programs write for "none", and Python cannot show all of them.
FIRST_DAY = "1900-01-01"

# The decimals of a number without the zeros that end them, and its exponent.
_DECIMALS = r"\.([0-9]*[1-9])0*(?:[eE]|$)"
_EXPONENT = r"[eE](.+)$"
_FRACTION = "0.001"
_NUMBER = "decimal(38,18)"
# Of so short a decimal Java keeps one number, and not an object of many.
_SHORT = "decimal(18,2)"
DIRECT_FORMATS = frozenset(("yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"))
"""Date formats, as the decoder names them, that Spark's own cast reads as we do."""

_NEWEST = "last_order_date"
_DIRECT_DAY = f"^{YMD_PART}$"
_DIRECT_MOMENT = f"^{YMD_PART}{TIME_PART}$"
# What stands around the items of a list, and between two: brackets, blanks, quotes and commas.
# Blanks are tried from the first on, or a cell of many would take the square of their time.
_END = r"(?:['\"]|(?<! )|\G) *"
_AROUND = r"^(?:[\[{(] *['\"]?|['\"])|(?:" + _END + r"[\]})]|['\"])$"
_BETWEEN = _END + r", *['\"]?"
# In microseconds.
_DAY = 86_400_000_000


def type_columns(
    staged: DataFrame,
    contract: Contract,
    direct: frozenset[str] = frozenset(),
    plain: frozenset[str] = frozenset(),
) -> DataFrame:
    """Add the typed columns beside their text.

    Args:
        staged: the decoder's rows joined with their drop: each contract column as text, and of
            the drop ``first_seen_at``, ``date_order`` and ``decimal_marks``.
        contract: columns, their types and the business time zone.
        direct: date columns whose dates are all written in `DIRECT_FORMATS`. The result is the
            same without; the plan is much smaller with.
        plain: columns whose cells are all plain, as the decoder tells; dates among them are
            ``direct``, too. The same again: less to do for each cell.

    Returns:
        The input with each contract column typed and its text kept as ``text_<name>``; for
        numbers also ``is_number_<name>`` and ``number_<name>`` (``DECIMAL(38,18)``, before range
        and scale are looked at); ``last_order_at``, and ``drop_day``, the business day on which
        the drop was first seen.
    """
    steps, helpers = _steps(contract, direct, plain)
    return reduce(DataFrame.withColumns, steps, staged).drop(*helpers)


# To build the expressions costs more than to type a small drop, so they are kept.
@lru_cache(maxsize=16)
def _steps(
    contract: Contract, direct: frozenset[str], plain: frozenset[str]
) -> tuple[list[dict[str, Column]], tuple[str, ...]]:
    """The columns to add one after the other, and those that are not needed in the end."""
    numbers, dates = contract.of_type("count", "money"), contract.of_type("date", "check")
    split = [name for name in dates if name not in direct]
    rewritten = [name for name in numbers if name not in plain]
    short = [name for name in numbers if name in plain]
    steps = [
        {f"text_{name}": F.col(name) for name in contract.columns},
        {f"_plain_{name}": _plain_number(name) for name in rewritten}
        | {f"_short_{name}": F.col(name).try_cast(_SHORT) for name in short}
        | {f"_moment_{name}": _split_moment(name) for name in split},
        {f"is_number_{name}": F.col(f"_plain_{name}").isNotNull() for name in rewritten}
        | {f"is_number_{name}": F.col(name).isNotNull() for name in short}
        | {f"number_{name}": _number(f"_plain_{name}") for name in rewritten}
        | {f"number_{name}": F.col(f"_short_{name}").cast(_NUMBER) for name in short}
        | {f"_day_{name}": _day(f"_moment_{name}") for name in split},
        {f"_at_{name}": _instant(name, contract) for name in split},
        {
            **{name: _count(name, plain) for name in contract.of_type("count")},
            **{name: _money(name, plain) for name in contract.of_type("money")},
            **{name: _business_day(F.col(f"_at_{name}"), contract) for name in split},
            **{name: _direct_day(name, contract, plain) for name in dates if name in direct},
            **{name: _list(name) for name in contract.of_type("list")},
            "last_order_at": _direct_instant(_NEWEST, contract, plain)
            if _NEWEST in direct
            else F.col(f"_at_{_NEWEST}"),
            "drop_day": _business_day(F.col("first_seen_at"), contract),
        },
    ]
    helpers = [f"_plain_{name}" for name in rewritten] + [f"_short_{name}" for name in short]
    helpers += [f"_{kind}_{name}" for name in split for kind in ("moment", "day", "at")]
    return [step for step in steps if step], tuple(helpers)


def _plain_number(name: str) -> Column:
    """Rewrite a number as digits and point alone; NULL where it is none in its notation."""
    text, mark = F.col(name), F.element_at("decimal_marks", F.lit(name))
    by_comma = F.replace(F.replace(text, F.lit("."), F.lit("")), F.lit(","), F.lit("."))
    by_point = F.replace(text, F.lit(","), F.lit(""))
    return F.when((mark == ",") & text.rlike(NUMBER_COMMA), by_comma).when(
        F.coalesce(mark != ",", F.lit(True)) & text.rlike(NUMBER_POINT), by_point
    )


def _number(plain: str) -> Column:
    """The number with 18 decimals; one with more than can be compared stands for any fraction.

    Rounded, ``4.0000000000000000001`` would pass for a count, and ``1e-30`` for nothing.
    """
    text = F.col(plain)
    exponent = F.coalesce(F.regexp_extract(text, _EXPONENT, 1).try_cast("int"), F.lit(0))
    decimals = F.length(F.regexp_extract(text, _DECIMALS, 1)) - exponent
    is_cut = (decimals > MAX_DECIMALS) & text.rlike("^[^eE]*[1-9]")
    # The patterns cost, and hardly any cell needs them.
    is_odd = (F.length(text) > MAX_DECIMALS) | F.contains(F.lower(text), F.lit("e"))
    number = text.try_cast(_NUMBER)
    return F.when(is_odd & is_cut, F.lit(_FRACTION).cast(_NUMBER)).otherwise(number)


def _count(name: str, plain: frozenset[str]) -> Column:
    if name in plain:
        number = F.col(f"_short_{name}")
        fits = (number == F.floor(number)) & (number <= MAX_COUNT)
        return F.when(fits, number.try_cast("bigint"))
    number = F.col(f"number_{name}")
    fits = (number == F.floor(number)) & (F.abs(number) <= MAX_COUNT)
    return F.when(fits, number.try_cast("bigint"))


def _money(name: str, plain: frozenset[str]) -> Column:
    if name in plain:
        return F.col(f"_short_{name}")
    number = F.col(f"number_{name}")
    fits = (number == F.round(number, 2)) & (F.abs(number) <= MAX_MONEY)
    return F.when(fits, number.try_cast("decimal(18,2)"))


def _split_moment(name: str) -> Column:
    """Take a date apart: ``day`` as yyyy-MM-dd, ``time`` and ``offset``, by the drop's order."""
    text = F.col(name)

    def part(pattern: str, group: int) -> Column:
        return F.regexp_extract(text, pattern, group)

    def two(column: Column) -> Column:
        return F.lpad(column, 2, "0")

    day_first = F.col("date_order") == "dmy"
    first, second, year = (part(DATE_DMY, group) for group in (1, 2, 3))
    day = F.when(day_first, first).otherwise(second)
    month = F.when(day_first, second).otherwise(first)
    # A year of two digits is of this century: the first FLO customer is of 2013.
    full_year = F.when(F.length(year) == 2, F.concat(F.lit("20"), year)).otherwise(year)

    def moment(iso_day: Column, pattern: str) -> Column:
        seconds = F.coalesce(F.nullif(part(pattern, 6), F.lit("")), F.lit("00"))
        fraction = F.rpad(F.substring(part(pattern, 7), 1, 6), 6, "0")
        clock = F.concat_ws(":", two(part(pattern, 4)), part(pattern, 5), seconds)
        has_time = part(pattern, 4) != ""
        return F.struct(
            iso_day.alias("day"),
            F.when(has_time, F.concat(clock, F.lit("."), fraction)).alias("time"),
            F.nullif(part(pattern, 8), F.lit("")).alias("offset"),
        )

    year_first = F.concat_ws("-", part(DATE_YMD, 1), two(part(DATE_YMD, 2)), two(part(DATE_YMD, 3)))
    year_last = F.concat_ws("-", full_year, two(month), two(day))
    return F.when(text.rlike(DATE_YMD), moment(year_first, DATE_YMD)).when(
        text.rlike(DATE_DMY), moment(year_last, DATE_DMY)
    )


def _day(moment: str) -> Column:
    day = F.col(f"{moment}.day").try_cast("date")
    return F.when(day >= F.lit(FIRST_DAY).cast("date"), day)


def _direct_instant(name: str, contract: Contract, plain: frozenset[str]) -> Column:
    """The same as `_instant` for dates that Spark reads as they are."""
    midnight = F.lit(f" 00:00:00 {contract.business_timezone}")
    start = F.concat(F.col(name), midnight).try_cast("timestamp")
    return _by_form(name, start, _direct_moment(name, plain), plain)


def _direct_day(name: str, contract: Contract, plain: frozenset[str]) -> Column:
    """The same as the `_business_day` of an `_instant`: a date alone needs no instant for that."""
    of_moment = _business_day(_direct_moment(name, plain), contract)
    return _by_form(name, F.col(name).try_cast("date"), of_moment, plain)


def _direct_moment(name: str, plain: frozenset[str]) -> Column:
    text = F.col(name)
    if name not in plain:  # Spark knows neither a decimal comma nor a blank before the offset.
        text = F.translate(text, ", ", ".")
    return text.try_cast("timestamp")


def _by_form(name: str, of_day: Column, of_moment: Column, plain: frozenset[str]) -> Column:
    text = F.col(name)
    if name in plain:
        found = F.when(F.length(text) == len(FIRST_DAY), of_day).otherwise(of_moment)
        return F.when(text >= FIRST_DAY, found)
    found = F.when(text.rlike(_DIRECT_DAY), of_day).when(text.rlike(_DIRECT_MOMENT), of_moment)
    return F.when(text.try_cast("date") >= F.lit(FIRST_DAY).cast("date"), found)


def _instant(name: str, contract: Contract) -> Column:
    """The instant of a date cell; a date alone is that day's start in the business zone.

    The zone is written into the text, so the session's own zone has no say.
    """
    moment = f"_moment_{name}"
    zone = F.lit(contract.business_timezone)
    time = F.coalesce(f"{moment}.time", F.lit("00:00:00"))
    offset = F.when(F.col(f"{moment}.time").isNotNull(), F.coalesce(f"{moment}.offset", zone))
    text = F.concat(F.col(f"{moment}.day"), F.lit(" "), time, F.coalesce(offset, zone))
    return F.when(F.col(f"_day_{name}").isNotNull(), text.try_cast("timestamp"))


def _business_day(instant: Column, contract: Contract) -> Column:
    """The day of an instant in the business zone, whatever the session's zone is."""
    local = F.unix_micros(F.from_utc_timestamp(instant, contract.business_timezone))
    start = local - F.pmod(local, F.lit(_DAY))
    return F.date_from_unix_date(F.call_function("div", start, F.lit(_DAY)).cast("int"))


def _list(name: str) -> Column:
    """Read ``[A, B]``, ``A,B`` or ``['A', 'B']``; ``[]`` is an empty list, no text is NULL."""
    # Two patterns for all items: Spark compiles no code for a function of each item.
    items = F.split(F.regexp_replace(F.trim(F.col(name)), _AROUND, ""), _BETWEEN)
    return F.array_remove(items, "")
