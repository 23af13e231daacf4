"""The batch in hand, told to whoever looks: its number, since when, its files and their accounts.

Beside what is staged of it lies a list of its files. It goes with the batch, so one that is there
is of a batch that is being taken in, or of one that a killed stream has left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from lake.errors import TransientError
from lake.fs import FileInfo, FileSystem
from lake.reading import Files
from lake.settings import Settings

_LIST = "_files.json"  # Spark leaves out what begins with an underscore


def staging_path(settings: Settings) -> str:
    """Directory of what a batch has decoded and not yet written into the tables."""
    return settings.path("checkpoints", "staging")


def tell_in_hand(files: FileSystem, batch: str, accounts: Mapping[str, str]) -> FileInfo:
    """Write the list of a batch, and describe it: its time is now, by the file system's clock.

    Args:
        files: where the lake is.
        batch: the directory of the batch, below :func:`staging_path`; its name is the number.
        accounts: ids of the accounts that its files get, by their names in landing.
    """
    path = f"{batch}/{_LIST}"
    files.write_text(path, json.dumps(dict(accounts)))
    info = files.status(path)
    if info is None:
        raise TransientError(f"The file {path} went away; try again.")
    return info


def look_in_hand(files: Files, settings: Settings) -> FileInfo | None:
    """Find the directory of the batch in hand: its name is the number, its time the beginning."""
    epochs = [info for info in files.list(staging_path(settings)) if info.name.isdigit()]
    newest = max(epochs, key=lambda info: int(info.name), default=None)
    batches = [info for info in files.list(newest.path) if info.name.isdigit()] if newest else []
    batch = max(batches, key=lambda info: int(info.name), default=None)
    # The directory's own time changes with each file that is put there.
    listed = files.status(f"{batch.path}/{_LIST}") if batch else None
    return replace(batch, modified_ms=listed.modified_ms) if batch and listed else batch


def accounts_in_hand(files: Files, settings: Settings) -> dict[str, str]:
    """Read which files of landing the batch in hand consists of, and the ids of their accounts.

    Half a list, which a killed stream has left, tells of none: no account was written before it was
    whole.
    """
    batch = look_in_hand(files, settings)
    text = files.read_text(f"{batch.path}/{_LIST}") if batch else None
    try:
        told = json.loads(text or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
