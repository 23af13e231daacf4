"""The columns of a batch of records: from cells of text to typed values, by the contract."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lake.contract import Contract
from streaming.decode.batches import Batch
from streaming.decode.dialect import Layout
from streaming.decode.formats import Notation
from streaming.decode.values import (
    INSTANT,
    INVISIBLE,
    MONEY,
    Values,
    business_days,
    read_instants,
    read_lists,
    read_numbers,
)

ARROW_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "count": pa.int64(),
    "money": MONEY,
    "date": pa.date32(),
    "check": pa.date32(),
    "list": pa.list_(pa.string()),
}
"""What each type of the contract is in a staged file."""

INSTANTS = {"last_order_date": "last_order_at"}
"""The date columns whose instant is kept beside the day, and the names of those."""


class Failure(NamedTuple):
    """Why a cell is not of its column's type."""

    column: str
    why: str
    cell: str

    @property
    def reason(self) -> str:
        """As quarantine and warnings show it."""
        return f"{self.why}: {self.column}"


@dataclass(frozen=True)
class TypedColumns:
    """The typed columns of a batch.

    Attributes:
        values: by name; of those columns of the contract that the drop has, and `INSTANTS`.
        failures: by row of the batch.
    """

    values: Mapping[str, pa.Array]
    failures: Mapping[int, list[Failure]]


@dataclass
class Cells:
    """Takes the cells of the contract's columns out of batches.

    Attributes:
        words: how often each of the contract's words for nothing was found.
    """

    contract: Contract
    layout: Layout
    words: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Fold the words once."""
        words = pa.array(self.contract.missing, pa.string())
        self._set = pc.utf8_lower(words)
        self._folded = dict(zip(self._set.to_pylist(), self.contract.missing, strict=True))
        self._longest = pc.max(pc.binary_length(words)).as_py() or 0

    def of(self, batch: Batch) -> dict[str, pa.Array]:
        """The cells by column; ids and texts as they are, others as a dictionary of the distinct.

        The contract's words for nothing are null.
        """
        found = {}
        for name, at in self.layout.positions.items():
            kind = self.contract.columns[name].type
            cells = self._without_words(batch.cells[at])
            if kind == "id":
                trimmed = pc.utf8_trim(cells, characters=INVISIBLE)
                cells = self._without_words(pc.if_else(pc.equal(trimmed, ""), None, trimmed))
            found[name] = cells if kind in ("id", "text") else cells.dictionary_encode()
        return found

    def _without_words(self, cells: pa.Array) -> pa.Array:
        short = pc.less_equal(pc.binary_length(cells), self._longest)
        if not pc.any(short).as_py():
            return cells
        folded = pc.utf8_lower(pc.if_else(short, cells, None))
        is_word = pc.is_in(folded, value_set=self._set)
        if not pc.any(is_word).as_py():
            return cells
        for found in pc.value_counts(folded.filter(is_word)):
            self.words[self._folded[found["values"].as_py()]] += found["counts"].as_py()
        return pc.if_else(is_word, None, cells)


def type_columns(
    cells: Mapping[str, pa.Array], contract: Contract, notation: Notation
) -> TypedColumns:
    """Type the cells of :meth:`Cells.of`.

    Args:
        cells: by column.
        contract: the columns' types, and the business time zone.
        notation: how the drop writes numbers and dates.
    """
    values: dict[str, pa.Array] = {}
    failures: dict[int, list[Failure]] = defaultdict(list)
    for name in [each for each in contract.columns if each in cells]:
        column, kind = cells[name], contract.columns[name].type
        if kind in ("id", "text"):
            values[name] = column
            continue
        read = _read(column.dictionary, name, kind, contract, notation)
        own = read.values
        if own.type == INSTANT:
            if name in INSTANTS:
                values[INSTANTS[name]] = own.take(column.indices)
            own = business_days(own, contract.business_timezone)
        values[name] = own.take(column.indices)
        if read.failures and kind != "check":
            _note(failures, name, column, read)
    return TypedColumns(values, failures)


def _read(
    distinct: pa.Array, name: str, kind: str, contract: Contract, notation: Notation
) -> Values:
    if kind == "list":
        return read_lists(distinct)
    if kind in ("count", "money"):
        return read_numbers(distinct, kind, notation.decimal_marks[name])
    return read_instants(distinct, notation.date_order, contract.business_timezone)


def _note(
    failures: dict[int, list[Failure]], name: str, column: pa.DictionaryArray, read: Values
) -> None:
    for row, at in enumerate(column.indices.to_pylist()):
        if at in read.failures:
            cell = column.dictionary[at].as_py()
            failures[row] += [Failure(name, why, cell) for why in read.failures[at]]
