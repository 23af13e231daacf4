"""The contracts by which drops were judged, each whole, by its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lake.contract import Contract, parse_contract
from lake.errors import ContractError
from lake.fs import FileSystem, put_whole
from lake.settings import Settings


def contract_path(settings: Settings, digest: str) -> str:
    """Where the text of a contract is."""
    return settings.path("checkpoints", "contracts", f"{digest}.toml")


def keep_contract(files: FileSystem, settings: Settings, contract: Contract) -> None:
    """Keep the text of a contract, where it is not kept yet; it comes there whole or not at all."""
    path = contract_path(settings, contract.digest)
    if not files.exists(path):
        put_whole(files, path, contract.text)


def kept_contract(files: FileSystem, settings: Settings, digest: str | None) -> Contract | None:
    """Read the contract by which a drop was judged.

    None where its account or text says none, or where it is in the form of an earlier version,
    which had other rules.

    Raises:
        ContractError: its text is not the one that was kept.
    """
    path = contract_path(settings, digest or "")
    text = files.read_text(path) if digest else None
    if text is None:
        return None
    try:
        return parse_contract(text.encode(), Path(path))
    except ContractError:
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            raise
        return None
