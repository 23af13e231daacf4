"""Decode bytes as a drop, and read back what was staged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lake.contract import Contract, load_contract
from lake.errors import DropRejected
from streaming.decode import DecodedDrop, Origin, decode_drop

LIMIT = 4096
SEEN = datetime(2021, 6, 30, tzinfo=UTC)
ORIGIN = Origin("id-1", "/drop.csv", SEEN, SEEN)


@dataclass(frozen=True)
class Outcome:
    """Either what was decoded with its rows, or why it was refused."""

    drop: DecodedDrop | None
    rows: list[dict[str, Any]]
    code: str = ""
    message: str = ""


Decode = Callable[..., Outcome]


@pytest.fixture(scope="session")
def contract() -> Contract:
    """Load the shipped contract."""
    root = Path(__file__).parents[3]
    return load_contract(root / "conf" / "contracts" / "flo.toml")


@pytest.fixture(scope="session")
def decode(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Decode:
    """Return a function that decodes bytes."""
    folder = tmp_path_factory.mktemp("decode")
    spool, staged = folder / "spool", folder / "staged.parquet"

    def run(
        data: bytes, name: str = "drop.csv", limit: int = LIMIT, contract: Contract = contract
    ) -> Outcome:
        spool.write_bytes(data)
        try:
            drop = decode_drop(
                spool, staged, contract, replace(ORIGIN, path=f"/{name}"), max_line_bytes=limit
            )
        except DropRejected as error:
            assert not staged.exists()
            return Outcome(None, [], error.code, error.message)
        rows = pq.read_table(staged).to_pylist(maps_as_pydicts="strict")
        staged.unlink()
        return Outcome(drop, rows)

    return run
