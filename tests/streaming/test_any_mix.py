"""A small table in hundreds of dialects, drawn from all properties: the values stay the same."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.streaming.resaved import PROPERTIES, Dialect, Value, draw_dialect, save
from tests.streaming.workshop import (
    BASE,
    CATEGORIES,
    COUNTS,
    DAYS,
    MONEY,
    as_typed,
    misread,
    stage,
    tells,
)


def draw_table(random: Random, rows: int = 12) -> dict[str, list[Value]]:
    """Draw values that are hard to save and to read; the first row's settle every notation."""
    texts = ["Mağaza", "Ios App", "A;B|C,D", 'a "b"', "İki\nsatır", "ÇOK\tİYİ", "[x]", None]
    money = [Decimal("0.00"), Decimal("1234.00"), Decimal("1234567.89"), Decimal("45220.1"), None]
    words = ["KADIN", "ÇOCUK", "AKTİFSPOR", "ERKEK"]

    def draw(name: str) -> Value:
        if name in DAYS:
            day = date(2013, 1, 1) + timedelta(random.randrange(3_000))
            return day if name == "last_order_date" or random.random() < 0.8 else None
        if name in COUNTS:
            return random.choice([0, 1, 4, 77, 1_234, 1_234_567, None])
        if name in MONEY:
            return random.choice([*money, Decimal(random.randrange(10**6)).scaleb(-2)])
        if name == CATEGORIES:
            return random.choice([tuple(random.sample(words, random.randrange(4))), None])
        return random.choice(texts)

    table = {name: [draw(name) for _ in range(rows)] for name in [*BASE, "store_type"]}
    table["master_id"] = [f"c{number}" for number in range(rows)]
    table["order_channel"] = [text or "Mağaza" for text in table["order_channel"]]
    table["last_order_date"][0] = date(2015, 1, 31)
    for name in MONEY:
        table[name][0] = Decimal("0.50")
    return table


def test_any_mix_of_properties_gives_the_same_values(tmp_path: Path) -> None:
    """No property of how a file was saved changes a value, whatever the others are."""
    random = Random(20_210_530)
    mixes = [(draw_dialect(random), draw_table(random)) for _ in range(500)]
    assert pairs_left_out([dialect for dialect, _ in mixes]) == set()
    wrong = []
    for number, (dialect, table) in enumerate(mixes):
        staged = stage(save(table, dialect), dialect, tmp_path, str(number))
        found = misread(staged, as_typed(table))
        if found or not tells(staged, dialect):
            wrong.append((dialect, found))
    assert wrong == []


def pairs_left_out(dialects: list[Dialect]) -> set[tuple[tuple[str, object], tuple[str, object]]]:
    """Name every two values of two properties that no dialect brings together."""
    values = [(name, value) for name, choices in PROPERTIES.items() for value in choices]
    every = {pair for pair in itertools.combinations(values, 2) if pair[0][0] != pair[1][0]}
    met = (itertools.combinations(asdict(dialect).items(), 2) for dialect in dialects)
    return every - set(itertools.chain.from_iterable(met))
