"""Change drops: new customers, later totals, repeats and stale rows, for any population."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from samples.clock import HOUR, drop_time
from samples.draw import draw_new
from samples.history import advance, can_rewind, rewind
from samples.noise import Ints, scatter, shuffled
from samples.read import FileRows
from samples.rows import Rows, stack
from samples.write import check_sizes, layout_names, slices, write_file

# Of each hundred rows of a change drop; the rest are new customers.
LATER_SHARE = 50
REPEAT_SHARE = 20
STALE_SHARE = 10
_WINDOW = 8  # customers looked at per stale row wanted
_MOST_CUSTOMERS = 1 << 31

_SAID, _STALE, _NEW = 0, 1, 2


class Population(Protocol):
    """The customers of the full drop, any of whose rows can be had without the others."""

    @property
    def size(self) -> int:
        """How many customers there are."""

    def rows(self, index: Ints) -> Rows:
        """Return what the full drop says about these customers (0 .. size - 1)."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The rows of one change drop: kind, customer, place in the ring, updates so far."""

    kind: Ints
    customer: Ints
    position: Ints
    updates: Ints

    def take(self, chosen: Ints | slice) -> "_Plan":
        """Return the chosen rows of the plan."""
        return _Plan(
            self.kind[chosen], self.customer[chosen], self.position[chosen], self.updates[chosen]
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """All change drops against a population, each a function of its number alone.

    The customers stand in a fixed random ring. Each drop updates the next `later` of them,
    repeats the `repeat` after those and looks among the following for customers to be
    stale about. So how often anyone has been updated before a drop, and in which drops, is
    arithmetic, and nobody occurs twice in one drop.
    """

    population: Population
    rows_per_drop: int
    seed: int

    @property
    def later(self) -> int:
        """Rows per drop with later totals."""
        return min(self.rows_per_drop * LATER_SHARE // 100, self.population.size)

    @property
    def repeat(self) -> int:
        """Rows per drop that say again what was said last."""
        return min(self.rows_per_drop * REPEAT_SHARE // 100, self.population.size - self.later)

    def _ring(self, begin: int, count: int) -> tuple[Ints, Ints]:
        position = (begin + np.arange(count, dtype=np.int64)) % self.population.size
        return position, scatter(self.seed, position, self.population.size)

    def _updates(self, position: Ints, before: int) -> Ints:
        return (before - 1 - position) // self.population.size + 1

    def plan(self, number: int) -> _Plan:
        """Decide the rows of change drop `number` (from 2), in their order."""
        before, later, repeat = (number - 2) * self.later, self.later, self.repeat
        position, said = self._ring(before, later + repeat)
        updates = self._updates(position, before)
        updates[:later] += 1
        stale = self._stale(before + later + repeat)
        new = self.rows_per_drop - len(said) - len(stale)
        fresh = (number - 2) * self.rows_per_drop + np.arange(new, dtype=np.int64)
        kinds = np.repeat(np.array([_SAID, _STALE, _NEW]), [len(said), len(stale), new])
        order = shuffled(self.seed + number, "row order", np.arange(len(kinds), dtype=np.int64))
        none = np.zeros(len(stale) + new, dtype=np.int64)
        return _Plan(
            kind=kinds,
            customer=np.concatenate([said, stale, fresh]),
            position=np.concatenate([position, none]),
            updates=np.concatenate([updates, none]),
        ).take(order)

    def _stale(self, begin: int) -> Ints:
        wanted = self.rows_per_drop * STALE_SHARE // 100
        room = self.population.size - self.later - self.repeat
        _, customer = self._ring(begin, min(_WINDOW * wanted, room))
        found = [customer[:0]]
        for start, end in slices(len(customer)):
            part = customer[start:end]
            found.append(part[can_rewind(self.population.rows(part))])
        return np.concatenate(found)[:wanted]

    def _said(self, plan: _Plan) -> Rows:
        """Return the rows of customers after so many updates."""
        rows = self.population.rows(plan.customer)
        for done in range(int(plan.updates.max(initial=0))):
            turn = plan.position + done * self.population.size
            instant = drop_time(2) + turn // self.later * HOUR
            rows = advance(self.seed, rows, plan.updates > done, plan.customer, done, instant)
        return rows

    def parts(self, number: int) -> Iterator[Rows]:
        """Yield the rows of change drop `number`, chunk by chunk."""
        plan = self.plan(number)
        for begin, end in slices(len(plan.kind)):
            part = plan.take(slice(begin, end))
            said, stale, new = (np.flatnonzero(part.kind == k) for k in (_SAID, _STALE, _NEW))
            before = self.population.rows(part.customer[stale])
            rows = stack(
                [
                    self._said(part.take(said)),
                    rewind(self.seed, before, part.customer[stale]),
                    draw_new(self.seed, part.customer[new], drop_time(number)),
                ]
            )
            yield rows.take(np.argsort(np.concatenate([said, stale, new]), kind="stable"))


def change_files(changes: Changes, out: Path, stem: str, layouts: list[str]) -> list[Path]:
    """Write one change drop per layout as `<stem>_0002_changes.csv` and so on."""
    width = max(4, len(str(len(layouts) + 1)))
    return [
        write_file(
            out / f"{stem}_{number:0{width}d}_changes.csv",
            changes.parts(number),
            layout,
            drop_time(number),
        )
        for number, layout in enumerate(layouts, start=2)
    ]


def check_population(customers: int, drops: int, rows: int) -> None:
    """Raise ValueError where there would be more customers than identifiers (2**31)."""
    if customers + drops * rows >= _MOST_CUSTOMERS:
        raise ValueError(
            f"{customers} customers and {drops} drops of {rows} rows are more than "
            f"{_MOST_CUSTOMERS} rows in all; ask for fewer."
        )


def write_changes_for(
    file: Path, out: Path, *, drops: int, rows: int, seed: int, layout: str = "V7"
) -> list[Path]:
    """Write `drops` change drops of `rows` rows each against a full file in layout V7.

    Of each hundred rows 50 have later totals, 20 repeat what was said last, 10 are stale
    and 20 are new customers; where the file is too small for that, more are new. The files
    are named after the full one and follow it by an hour each. The file's lines are held
    in memory. Raise ValueError for sizes below 1 or a file that is not in layout V7 as
    written here, OSError where a file cannot be read or written.
    """
    check_sizes([("drops", drops), ("rows", rows)])
    layouts = layout_names(layout, drops + 1)[1:]
    population = FileRows(file)
    check_population(population.size, drops, rows)
    return change_files(Changes(population, rows, seed), out, file.stem, layouts)
