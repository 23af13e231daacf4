"""However a supplier's program saves a table, the same customers come out, to the cent."""

from __future__ import annotations

import csv
import itertools
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.streaming.resaved import (
    ENCODINGS,
    PROPERTIES,
    Dialect,
    Table,
    Value,
    draw_dialect,
    save_cells,
    write_cells,
)
from tests.streaming.workshop import (
    CATEGORIES,
    COUNTS,
    DAYS,
    MONEY,
    Staged,
    as_typed,
    differences,
    judge_all,
    misread,
    stage,
    tells,
)

# The real files have no letter beyond ASCII, which no encoding could get wrong; a Turkish
# supplier's program spells the categories so.
TURKISH = {"COCUK": "ÇOCUK", "AKTIFCOCUK": "AKTİFÇOCUK", "AKTIFSPOR": "AKTİFSPOR"}
# By channel: customers, orders, revenue online and offline.
PUBLISHED = {
    "Android App": (9_495, 52_269, Decimal("5448900.55"), Decimal("2370162.21")),
    "Mobile": (4_882, 21_679, Decimal("1828428.97"), Decimal("1199754.19")),
    "Ios App": (2_833, 15_351, Decimal("1772300.55"), Decimal("753699.38")),
    "Desktop": (2_735, 10_920, Decimal("869451.04"), Decimal("740870.42")),
}
# How a program writes numbers, a way for each date format.
NUMBERS: list[dict[str, Any]] = [
    {"mark": ".", "grouped": False, "count": "4.0", "money": "fewest"},
    {"mark": ",", "grouped": True, "count": "4.0", "money": "two"},
    {"mark": ",", "grouped": False, "count": "4", "money": "fewest"},
    {"mark": ".", "grouped": True, "count": "4", "money": "two"},
    {"mark": ",", "grouped": True, "count": "4", "money": "fewest"},
]
STYLES = [
    Dialect(days=str(days), **numbers)
    for days, numbers in zip(PROPERTIES["days"], NUMBERS, strict=False)
]
MATRIX = list(
    itertools.product(
        STYLES,
        PROPERTIES["delimiter"],
        PROPERTIES["line_end"],
        [encoding for encoding in ENCODINGS if "without" not in encoding],
    )
)


@cache
def read_plainly(path: Path) -> dict[str, list[Value]]:
    """Read a real file into values with Python's own means."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [_value(name, row[name]) for row in rows] for name in rows[0]}


def _value(name: str, text: str) -> Value:
    if name in DAYS:
        return date.fromisoformat(text)
    if name in COUNTS:
        return int(Decimal(text))
    if name in MONEY:
        return Decimal(text)
    if name == CATEGORIES:
        return tuple(word.strip() for word in text.strip("[]").split(",") if word.strip())
    return text


@cache
def turkish(path: Path) -> Table:
    """Read a real file with the categories as they are spelled in Turkish."""
    table = read_plainly(path)
    lists = [words for words in table[CATEGORIES] if isinstance(words, tuple)]
    return table | {CATEGORIES: [tuple(TURKISH.get(w, w) for w in words) for words in lists]}


@cache
def turkish_cells(path: Path, style: Dialect) -> dict[str, list[str]]:
    """Write the cells of a real file in a style, once."""
    return write_cells(turkish(path), style)


def style_of(dialect: Dialect) -> Dialect:
    """Find the style in which a dialect writes the cells."""
    return next(style for style in STYLES if style.days == dialect.days)


def resavings(seed: str) -> Iterator[Dialect]:
    """Every delimiter × date format × line end × encoding; all other properties take turns."""
    random = Random(seed)
    for style, delimiter, line_end, encoding in MATRIX:
        listed = {"delimiter": delimiter, "line_end": line_end, "encoding": encoding}
        written = {name: getattr(style, name) for name in ("days", *NUMBERS[0])}
        yield draw_dialect(random, **listed, **written)


@cache
def turkish_values(path: Path) -> Mapping[str, pa.Array]:
    """Say what must become of a real file, once."""
    return as_typed(turkish(path))


def resave(path: Path, dialect: Dialect, folder: Path, drop_id: str) -> tuple[Staged, bool]:
    """Save a real file anew and decode it; tell whether each of its values came back."""
    cells = turkish_cells(path, style_of(dialect))
    staged = stage(save_cells(cells, dialect), dialect, folder, drop_id)
    return staged, not misread(staged, turkish_values(path)) and tells(staged, dialect)


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_the_values_compared_with_are_the_published_ones(real_data: Path, layout: str) -> None:
    """Read plainly, each real file has the published figures: what follows is no circle."""
    table = read_plainly(real_data / f"flo_data_20k_{layout}.csv")
    groups: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    rows = zip(*(table[name] for name in ("order_channel", *COUNTS, *MONEY)), strict=True)
    for channel, online, offline, value_offline, value_online in rows:
        groups[channel].append((1, online + offline, value_online, value_offline))

    sums = {channel: tuple(map(sum, zip(*each, strict=True))) for channel, each in groups.items()}

    assert sums == PUBLISHED
    assert len(set(table["master_id"])) == 19_945


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_the_real_customers_are_the_same_however_they_were_saved(
    real_data: Path, layout: str, tmp_path: Path, spark: SparkSession
) -> None:
    """Delimiter × date format × line end × encoding: 19,945 customers, every value the same.

    Every file is decoded whole, and each of its values compared; one of each style goes on through
    Spark.
    """
    path = real_data / f"flo_data_20k_{layout}.csv"
    dialects = list(resavings(seed=layout))
    numbered = [str(number) for number in range(len(dialects))]
    same = itertools.repeat
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        saved = list(pool.map(resave, same(path), dialects, same(tmp_path), numbered, chunksize=10))
    assert [dialect for dialect, (_, whole) in zip(dialects, saved, strict=True) if not whole] == []
    chosen: dict[Dialect, Staged] = {}
    for dialect, (staged, _) in zip(dialects, saved, strict=True):
        chosen.setdefault(style_of(dialect), staged)
    assert list(chosen) == STYLES
    assert len(dialects) == 4 * 5 * 2 * 5

    judged = judge_all(spark, list(chosen.values()), tmp_path)

    expected = turkish_values(path)
    for style, staged in chosen.items():
        assert (style, differences(judged[staged.drop_id], expected)) == (style, [])
        assert ("store_type" in staged.found.present) == (layout == "v2")


def test_the_real_files_themselves_are_read_whole(
    real_data: Path, tmp_path: Path, spark: SparkSession
) -> None:
    """Both real files, as they are, give every value that they hold, with nothing to remark."""
    paths = [real_data / f"flo_data_20k_{layout}.csv" for layout in ("v1", "v2")]
    files = [stage(path.read_bytes(), Dialect(), tmp_path, path.stem) for path in paths]
    for each in files:
        found = each.found
        assert (found.rows, found.notes, found.date_format) == (19_945, (), "yyyy-MM-dd")

    judged = judge_all(spark, files, tmp_path)

    for path in paths:
        assert differences(judged[path.stem], as_typed(read_plainly(path))) == []
