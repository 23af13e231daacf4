"""A customer's id is in tables' data and in the drops themselves, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from checkpoints.kept_accounts import find_accounts
from lake.fs import FileInfo
from lake.tables import FEATURES, LEDGER, QUARANTINE, SNAPSHOTS, table_path
from tests.lakes import HEADER, DropLake, csv, row
from tests.processes import run

pytestmark = pytest.mark.integration

# The second is shaped like a real one; the first is just some text.
CANARIES = ("kanarienvogel", "cafe5eed-19f0-11eb-8000-0200f10f10f1")
CANARY, UUID = CANARIES
T0 = 1_640_000_000_000


def drops() -> dict[str, str | bytes]:
    """Drops that end in every way, each with the canary in it."""
    good = csv(row(CANARY), row(UUID), row(f"{CANARY} 2"))
    twice = csv(row(CANARY, value_offline="20.00"), row(CANARY, last="2021-02-01"))
    return {
        "good.csv": good,
        "the same again.csv": good,
        "late.csv": csv(row(CANARY, last="2020-06-01"), row(UUID, last="2020-06-01")),
        "the same customer twice.csv": twice,
        "bad rows.csv": csv(
            row("x"), row("y"), row("z"),
            row(CANARY, orders_online=CANARY), row(f"{CANARY}{'x' * 128}"), f"{CANARY},{UUID}",
        ),
        "refused.csv": csv(row(CANARY, last=""), row(UUID, value_online="abc"), f'"{CANARY}'),
        "header only.csv": HEADER + "\n",
        "no header.csv": row(UUID) + "\n" + row(CANARY) + "\n",
        "lost line end.csv": HEADER + csv(row(UUID), header=row(UUID)),
        "rows for columns.csv": f"master_id,{CANARY},{CANARY}\norder_channel,Mobile,Mobile\n",
        "ids for columns.csv": f"master_id,{UUID},x\norder_channel,Mobile,Mobile\n",
        "open quote.csv": csv(row("w"), f'"{row(CANARY)}', row("v")),
        "lost line end, odd id.csv": HEADER + csv(
            row("s"), header=f"{CANARY},{CANARY}-1,{CANARY}-2,2020-01-01,2021-01-01,,,0,1,10.00,,[]"
        ),
        "ids in a header.csv": csv(row("r") + ",x", header=f"{HEADER},{CANARY}@example.com"),
        "bad bytes.csv": csv(row("u"), row("t")).encode() + f"{CANARY},".encode() + b"\xff\n",
    }  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """A lake after all of that, and what was said meanwhile."""

    lake: DropLake
    logs: list[Any]


@pytest.fixture(scope="module")
def watched(new_lake: Callable[[], DropLake]) -> Watched:
    """Take all drops in, and listen; Delta makes a checkpoint with each commit."""
    lake = new_lake()
    for table in (FEATURES, SNAPSHOTS, QUARANTINE, LEDGER):
        path = table_path(lake.settings, table)
        lake.spark.sql(
            f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.checkpointInterval' = '1')"
        )
    with capture_logs() as logs:
        for at, (name, content) in enumerate(drops().items()):
            lake.put(name, content, modified_ms=T0 + at * 1000)
        lake.take()
    return Watched(lake, list(logs))


def find_canary(text: str) -> str | None:
    """Show where a canary is, with what is around it."""
    for canary in CANARIES:
        at = text.find(canary)
        if at >= 0:
            return text[max(at - 60, 0) : at + 60]
    return None


def read(lake: DropLake, info: FileInfo, folder: Path) -> str:
    """Read a file as text, a Parquet file by its rows."""
    local = folder / info.name
    lake.files.download(info.path, local)
    if info.name.endswith(".parquet"):
        return str(pq.read_table(local).to_pylist())
    return local.read_bytes().decode("utf-8", "replace")


def files_below(lake: DropLake, *parts: str) -> Iterator[FileInfo]:
    """List every file of a lake."""
    return lake.files.walk(lake.settings.path(*parts))


def test_the_canary_was_there(watched: Watched) -> None:
    """It has come everywhere: accepted, stale, superseded, in quarantine, duplicate, refused."""
    ledger = watched.lake.ledger()
    states = [each["state"] for each in ledger]
    assert {state: states.count(state) for state in set(states)} == {
        "ingested": 7,
        "duplicate": 1,
        "rejected": 7,
    }
    assert all(sum(each[f"rows_{name}"] for each in ledger) for name in ("stale", "superseded"))
    for table, column in ((FEATURES, "master_id"), (SNAPSHOTS, "master_id"), (QUARANTINE, "raw")):
        assert find_canary(str(watched.lake.rows(table, column))), table


def test_no_log_line_and_no_account_names_a_customer(watched: Watched) -> None:
    """What is logged, and what ledger and archive say, reasons included, is free of ids."""
    assert len(watched.logs) >= len(drops())
    assert find_canary(str(watched.logs)) is None
    assert find_canary(str(watched.lake.rows(LEDGER))) is None
    kept = find_accounts(watched.lake.files, watched.lake.settings).values()
    assert len(kept) == watched.lake.count(LEDGER)
    assert find_canary(str([watched.lake.files.read_text(path) for path in kept])) is None
    reasons = watched.lake.rows(QUARANTINE, "reasons")
    assert reasons
    assert find_canary(str(reasons)) is None


def test_no_transaction_log_names_a_customer(watched: Watched, tmp_path: Path) -> None:
    """Commits, their metadata and statistics, and Delta's checkpoints are free of ids."""
    logs = [each for each in files_below(watched.lake, "tables") if "/_delta_log/" in each.path]
    assert any(each.name.endswith(".checkpoint.parquet") for each in logs)
    for info in logs:
        assert find_canary(read(watched.lake, info, tmp_path)) is None, info.path


def test_no_file_is_named_after_a_customer(watched: Watched) -> None:
    """No path under the root holds an id."""
    paths = [each.path for each in files_below(watched.lake)]
    assert find_canary("\n".join(paths)) is None
    assert any("/archive/" in path for path in paths)


RAISES = f"""
[[rules]]
name = "raises"
when = "IF(length(master_id) = {len(CANARY)}, CAST(master_id AS BIGINT), 1) > 0"
then = "warn"
"""


def test_a_stream_that_fails_names_no_customer(
    new_lake: Callable[[], DropLake], environment: dict[str, str], tmp_path: Path
) -> None:
    """What all say when Spark stumbles over a row, and what the checkpoint holds, has no id.

    Spark's own message shows the value; it must get into no log, of ours, PySpark's or Java's, nor
    into a trace that somebody asks for. The staged rows of the batch in hand are content, and lie
    under the checkpoints until the next start.
    """
    lake = new_lake()
    contract = tmp_path / "raises.toml"
    contract.write_text(lake.settings.contract.read_text() + RAISES)
    lake.put("breaks.csv", csv(row(CANARY), row(UUID)))
    env = {**environment, "FLO_ROOT": lake.settings.root, "FLO_CONTRACT": str(contract)}
    env |= {"FLO_RETRY_SECONDS": "0", "FLO_DEBUG": "1"}
    done = run("flo", "stream", "--once", env=env, check=False)
    assert done.returncode == 3, done.stderr
    assert "gave up after 0 s of trouble (CAST_INVALID_INPUT)" in done.stderr
    assert "Traceback" in done.stderr
    assert find_canary(done.stdout + done.stderr) is None
    for info in files_below(lake, "checkpoints"):
        if "/staging/" not in info.path:
            assert find_canary(info.path + read(lake, info, tmp_path)) is None, info.path
    lake.processor()
    assert lake.files.list(lake.settings.path("checkpoints", "staging")) == []
