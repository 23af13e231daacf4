"""The contracts by which drops were judged, each whole, by its digest."""

from __future__ import annotations

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
    """
    path = contract_path(settings, digest or "")
    text = files.read_text(path) if digest else None
    try:
        return None if text is None else parse_contract(text.encode(), Path(path))
    except ContractError:
        return None
