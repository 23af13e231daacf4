"""A full drop and its change drops: new, later, repeated and stale rows."""

import csv
import hashlib
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from samples import LAYOUTS, write_changes_for, write_drops
from samples.changes import check_population
from samples.noise import scatter
from samples.rows import master_ids

SHA256 = {
    "flo_0001_full.csv": "01d63901bd0f3bf5800ddd592a5c12da70c2b299ece078205a378dbaa823a38f",
    "flo_0002_changes.csv": "df14777c155e4894f86f27a792f982cd2e87336c10b1f5392412b6c41aa2a7ac",
    "flo_0003_changes.csv": "5d87e6b826db6496d8a49005c067dae41b59f05bc83e34a6113ddb647360d303",
}
Row = tuple[str, ...]
LAST = LAYOUTS["V7"].index("last_order_date")
MONEY = [LAYOUTS["V7"].index(f"customer_value_total_ever_{side}") for side in ("online", "offline")]
COUNTS = [LAYOUTS["V7"].index(f"order_num_total_ever_{side}") for side in ("online", "offline")]


def read(path: Path, delimiter: str = "|") -> list[Row]:
    """Read the rows of a file, without its header."""
    with path.open(encoding="ascii", newline="") as lines:
        return [tuple(row) for row in csv.reader(lines, delimiter=delimiter)][1:]


def number(row: Row, places: list[int]) -> Decimal:
    """Add up a row's fields, empty ones as nothing."""
    return sum((Decimal(row[place] or "0") for place in places), Decimal(0))


def kinds(paths: list[Path]) -> list[Counter[str]]:
    """Apply drops one by one, as the latest row wins, and name what each row was."""
    said: dict[str, Row] = {}
    found = []
    for path in paths:
        counted: Counter[str] = Counter()
        for row in read(path):
            old = said.get(row[0])
            if old is None:
                kind = "new"
            elif row == old:
                kind = "repeat"
            elif row[LAST] > old[LAST]:
                kind = "later"
            else:
                kind = "stale"
                assert row[LAST][:10] < old[LAST][:10]
            if kind == "later" and old is not None:
                assert number(row, MONEY) > number(old, MONEY)
                assert number(row, COUNTS) > number(old, COUNTS)
            if kind in ("new", "later"):
                said[row[0]] = row
            counted[kind] += 1
        found.append(counted)
    return found


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write a small set of drops that updates some customers twice."""
    out = tmp_path_factory.mktemp("drops")
    return write_drops(out, customers=1_000, drops=6, rows=600, seed=11)


def test_each_kind_of_row_has_its_share(paths: list[Path]) -> None:
    """Half the rows of each change drop are later totals, the rest new, repeated or stale."""
    full, *changes = kinds(paths)

    assert full == {"new": 1_000}
    assert changes == [{"later": 300, "repeat": 120, "stale": 60, "new": 120}] * 5


def test_nobody_occurs_twice_in_a_drop(paths: list[Path]) -> None:
    """A master_id occurs once per drop."""
    for path in paths:
        identifiers = [row[0] for row in read(path)]
        assert len(set(identifiers)) == len(identifiers)


def test_every_row_agrees_with_itself(paths: list[Path]) -> None:
    """A changed row keeps the rules of a first one: dates in order, sides whole, platform right."""
    names = LAYOUTS["V7"]
    for row in (dict(zip(names, fields, strict=True)) for path in paths for fields in read(path)):
        online, offline = row["last_order_date_online"], row["last_order_date_offline"]
        assert bool(online) == bool(row["order_num_total_ever_online"])
        assert bool(offline) == bool(row["order_num_total_ever_offline"])
        assert online or row["customer_value_total_ever_online"] == "0.00"
        assert offline or row["customer_value_total_ever_offline"] == "0.00"
        assert not (online or offline) or max(online, offline) == row["last_order_date"]
        assert row["first_order_date"] <= row["last_order_date"]
        assert row["last_order_date_new"] == row["last_order_date"][:10]
        assert (row["order_channel"] == "Offline") == (not online)
        assert not (online and offline) or row["platform_type"] == "OmniChannel"
        assert row["platform_type"] != "Online" or (online and not offline)


def test_no_order_lies_after_its_drop(paths: list[Path]) -> None:
    """Drops are an hour apart in the order of their names, and no order is after its drop."""
    assert [path.name for path in paths] == sorted(path.name for path in paths)
    for earlier, path in zip([None, *paths], paths, strict=False):
        made = path.stat().st_mtime
        latest = max(np.datetime64(row[LAST][:19]) for row in read(path))
        assert int(latest.astype("datetime64[s]").astype(np.int64)) - 3 * 3600 < made
        assert earlier is None or made == earlier.stat().st_mtime + 3600


def test_bytes_are_the_same_everywhere(tmp_path: Path) -> None:
    """The same arguments give the same bytes on every machine and Python version."""
    written = write_drops(tmp_path, customers=200, drops=3, rows=50, seed=42)

    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in written} == SHA256


def test_another_seed_gives_other_customers(tmp_path: Path) -> None:
    """Nothing but the seed decides who the customers are."""
    one, two = (
        write_drops(tmp_path / str(seed), customers=50, drops=1, rows=1, seed=seed)[0]
        for seed in (1, 2)
    )

    assert not set(read(one)) & set(read(two))


def test_a_longer_run_begins_with_the_shorter_one(tmp_path: Path) -> None:
    """A drop depends on its number alone, so more drops leave the first ones as they were."""
    short = write_drops(tmp_path / "short", customers=300, drops=2, rows=40, seed=5)
    long = write_drops(tmp_path / "long", customers=300, drops=4, rows=40, seed=5)

    assert [p.read_bytes() for p in short] == [p.read_bytes() for p in long[:2]]


def test_chunks_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rows are written at a time changes no byte."""
    whole = write_drops(tmp_path / "whole", customers=200, drops=3, rows=50, seed=42)
    monkeypatch.setattr("samples.write.CHUNK", 7)
    parts = write_drops(tmp_path / "parts", customers=200, drops=3, rows=50, seed=42)

    assert [p.read_bytes() for p in whole] == [p.read_bytes() for p in parts]


@pytest.mark.parametrize("customers", [1, 2, 5])
def test_more_rows_than_customers_become_new_customers(tmp_path: Path, customers: int) -> None:
    """Where the full drop is too small for the shares, the other rows are new customers."""
    written = write_drops(tmp_path, customers=customers, drops=4, rows=30, seed=3)

    _, *changes = kinds(written)
    assert [sum(counted.values()) for counted in changes] == [30] * 3
    assert all(counted["later"] == customers for counted in changes)


def test_identifiers_and_the_ring_are_one_to_one() -> None:
    """Indices share neither an identifier nor a place in the ring."""
    index = np.arange(20_000, dtype=np.int64)

    assert len(np.unique(master_ids(9, 1, index))) == 20_000
    assert len(np.unique(scatter(9, index, 20_000))) == 20_000
    low = {text[:8] for text in master_ids(9, 1, index)}
    assert len(low) == 20_000


@pytest.mark.parametrize(("layout", "delimiter"), [("V1", ","), ("V2", ","), ("V7", "|")])
def test_layouts_have_their_header_and_dates(tmp_path: Path, layout: str, delimiter: str) -> None:
    """V1 and V2 are comma-separated with plain dates and quoted lists; V7 is not quoted."""
    [path] = write_drops(tmp_path, customers=500, drops=1, rows=1, seed=1, layout=layout)
    text = path.read_text(encoding="ascii")
    rows = read(path, delimiter)

    assert text.partition("\n")[0] == delimiter.join(LAYOUTS[layout])
    assert {len(row) for row in rows} == {len(LAYOUTS[layout])}
    assert len(LAYOUTS[layout]) == {"V1": 12, "V2": 13, "V7": 17}[layout]
    assert {len(row[LAYOUTS[layout].index("last_order_date")]) for row in rows} == {
        29 if layout == "V7" else 10
    }
    assert ('"[ERKEK, KADIN]"' in text) == (layout != "V7")
    assert ('"A,B"' in text) == (layout == "V2")


def test_mixed_layouts_take_turns(tmp_path: Path) -> None:
    """`mixed` goes round V7, V2 and V1."""
    written = write_drops(tmp_path, customers=50, drops=4, rows=10, seed=1, layout="mixed")

    headers = [len(p.read_text(encoding="ascii").split("\n")[0].split(",")) for p in written]
    assert headers == [1, 13, 12, 1]


def test_changes_follow_a_file(tmp_path: Path) -> None:
    """Change drops against a written file hold the same kinds, and are named after it."""
    [full] = write_drops(tmp_path, customers=1_000, drops=1, rows=1, seed=8)
    changes = write_changes_for(full, tmp_path, drops=3, rows=500, seed=4)

    assert [p.name for p in changes] == [f"flo_0001_full_{n:04d}_changes.csv" for n in (2, 3, 4)]
    _, *counted = kinds([full, *changes])
    assert counted == [{"later": 250, "repeat": 100, "stale": 50, "new": 100}] * 3


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, -1, 1), (1, 2, 0)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, sizes: tuple[int, int, int]) -> None:
    """A size below one is refused before anything is written."""
    customers, drops, rows = sizes

    with pytest.raises(ValueError, match=r"^[^\n]*give[^\n]*\.$"):
        write_drops(tmp_path / "out", customers=customers, drops=drops, rows=rows, seed=1)
    assert not (tmp_path / "out").exists()


def test_more_customers_than_identifiers_are_refused() -> None:
    """Beyond 2**31 rows in all identifiers could meet, so that is refused."""
    check_population((1 << 31) - 101, 10, 10)

    with pytest.raises(ValueError, match="ask for fewer"):
        check_population((1 << 31) - 100, 10, 10)


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    """The message names the layouts that there are."""
    with pytest.raises(ValueError, match="V1, V2, V7, mixed"):
        write_drops(tmp_path, customers=1, drops=1, rows=1, seed=1, layout="V9")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The message says which file could not be written and what to do."""
    (tmp_path / "file").write_text("", encoding="ascii")

    with pytest.raises(OSError, match=r"file/flo_0001_full\.csv cannot be written .*; choose"):
        write_drops(tmp_path / "file", customers=1, drops=1, rows=1, seed=1)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "|".join(LAYOUTS["V7"]) + "\n", "|".join(LAYOUTS["V7"]) + "\nx|y\n"]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    """Changes are made for a V7 file with rows only; the message names the file."""
    file = tmp_path / "other.csv"
    file.write_text(text, encoding="ascii")

    with pytest.raises(ValueError, match=r"other\.csv .*; write a file with"):
        write_changes_for(file, tmp_path, drops=1, rows=10, seed=1)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is one sentence with its name."""
    with pytest.raises(OSError, match=r"none\.csv cannot be read"):
        write_changes_for(tmp_path / "none.csv", tmp_path, drops=1, rows=10, seed=1)
