"""The KPIs from counts by revenue, against a plain recomputation in fractions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.kpis.formulas import NUMBERS
from batch.kpis.numbers import KEYS_OF, Band, Value, ValuesError, compute_rows
from tests.kpi_oracle import Row, oracle, same

amounts = st.integers(0, 10**18 - 1) | st.integers(0, 400) | st.integers(9_990, 10_110)
customers = st.tuples(
    st.sampled_from(["Offline", "Mobile", "Ios App", "web", "", None]),
    st.sampled_from(["Offline", "Online", None]),
    st.integers(0, 10**12) | st.integers(0, 5),
    amounts.map(lambda cents: Decimal(cents).scaleb(-2)),
)


class Customers:
    """Counts of customers, as ``kpi_values`` has them; the bands are of any width."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        self.asked: list[int] = []
        self._values: Counter[tuple[str | None, str | None, int, int]] = Counter()
        self._bands: dict[tuple[str | None, str | None, int], list[int]]
        self._bands = defaultdict(lambda: [0, 0, 0])
        for channel, platform, orders, amount in rows:
            cents = int(amount * 100)
            band = cents - cents % width
            self._values[channel, platform, band, cents] += 1
            for place, more in enumerate((1, orders, cents - band)):
                self._bands[channel, platform, band][place] += more

    def bands(self) -> list[Band]:
        """Count all customers by band."""
        return [Band(*key, *sums) for key, sums in self._bands.items()]

    def within(self, bands: Sequence[int]) -> list[Value]:
        """Tell the single values in some bands."""
        self.asked += bands
        return [Value(*key, count) for key, count in self._values.items() if key[2] in bands]


class Said:
    """Counts as they are said."""

    def __init__(self, bands: list[Band], values: list[Value]) -> None:
        self._bands, self._values = bands, values

    def bands(self) -> list[Band]:
        """Tell the bands."""
        return self._bands

    def within(self, bands: Sequence[int]) -> list[Value]:
        """Tell the values."""
        return self._values


@given(rows=st.lists(customers, max_size=60), width=st.sampled_from([1, 10, 100, 10**9, 10**18]))
def test_every_number_equals_a_recomputation_in_fractions(rows: list[Row], width: int) -> None:
    """Whatever the bands are, every KPI of every group is exact, quartiles between bands too."""
    found = compute_rows(Customers(rows, width))

    for table, positions in KEYS_OF.items():
        named = {key: dict(zip(NUMBERS, row, strict=True)) for key, row in found[table].items()}
        same(named, oracle(rows, *positions))


def test_single_values_are_asked_for_where_a_quartile_is_and_nowhere_else() -> None:
    """A thousand amounts in a hundred bands: five bands are looked into."""
    rows: list[Row] = [("Mobile", "Online", 1, Decimal(n)) for n in range(1001)]
    counts = Customers(rows, 1000)

    compute_rows(counts)

    assert counts.asked == [0, 25_000, 50_000, 75_000, 100_000]


@pytest.mark.parametrize(
    ("bands", "values"),
    [
        ([Band("Mobile", "Online", 100, -1, 0, 0)], []),
        ([Band("Mobile", "Online", 100, 0, 3, 0)], []),
        ([Band("Mobile", "Online", 100, 2, 3, 0)], []),
        ([Band("Mobile", "Online", 100, 2, 3, 0)], [Value("Mobile", "Online", 100, 101, 1)]),
        (
            [Band("Mobile", "Online", 100, 1, 3, 0)],
            [
                Value("Mobile", "Online", 100, 101, 2),
                Value("Mobile", "Online", 100, 102, -1),
            ],
        ),
    ],
)
def test_counts_that_cannot_be_are_refused(bands: list[Band], values: list[Value]) -> None:
    """Fewer customers than none, or another number at single amounts than in their band."""
    with pytest.raises(ValuesError):
        compute_rows(Said(bands, values))
