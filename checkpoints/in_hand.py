"""The batch in hand, told to whoever looks: its number, since when, and the names of its files.

Beside what is staged of it lies a list of its files. It goes with the batch, so one that is there
is of a batch that is being taken in, or of one that a killed stream has left.
"""

from __future__ import annotations

import json
from dataclasses import replace

from lake.fs import FileInfo, FileSystem
from lake.reading import Files
from lake.settings import Settings

_LIST = "_files.json"  # Spark leaves out what begins with an underscore


def staging_path(settings: Settings) -> str:
    """Directory of what a batch has decoded and not yet written into the tables."""
    return settings.path("checkpoints", "staging")


def tell_in_hand(files: FileSystem, batch: str, names: list[str]) -> None:
    """Write the list of a batch.

    Args:
        files: where the lake is.
        batch: the directory of the batch, below :func:`staging_path`; its name is the number.
        names: of its files in landing.
    """
    files.write_text(f"{batch}/{_LIST}", json.dumps(names))


def look_in_hand(files: Files, settings: Settings) -> FileInfo | None:
    """Find the directory of the batch in hand: its name is the number, its time the beginning."""
    epochs = [info for info in files.list(staging_path(settings)) if info.name.isdigit()]
    newest = max(epochs, key=lambda info: int(info.name), default=None)
    batches = [info for info in files.list(newest.path) if info.name.isdigit()] if newest else []
    batch = max(batches, key=lambda info: int(info.name), default=None)
    # The directory's own time changes with each file that is put there.
    listed = files.status(f"{batch.path}/{_LIST}") if batch else None
    return replace(batch, modified_ms=listed.modified_ms) if batch and listed else batch


def names_in_hand(files: Files, settings: Settings) -> set[str]:
    """Read which files of landing the batch in hand consists of."""
    batch = look_in_hand(files, settings)
    text = files.read_text(f"{batch.path}/{_LIST}") if batch else None
    return set(json.loads(text)) if text else set()
