"""Files of landing that cannot be read or moved, told to whoever looks, and to the next start.

A stream tries each again by itself; so that others know of it meanwhile, it keeps a list beside its
lock. A file that has an account and could not be moved is known by it after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from lake.fs import FileSystem
from lake.reading import Files
from lake.settings import Settings


@dataclass(frozen=True)
class Trouble:
    """What is the matter with one file.

    Attributes:
        path: in landing.
        says: what could not be done, which user lacks which right, and the remedy.
        account_id: of its account, where it has one and could not be moved.
    """

    path: str
    says: str
    account_id: str | None = None


def write_troubles(files: FileSystem, settings: Settings, troubles: Iterable[Trouble]) -> None:
    """Write the list anew; no list where there are none."""
    told = [asdict(each) for each in troubles]
    if told:
        files.write_text(_path(settings), json.dumps(told))
    else:
        files.delete(_path(settings))


def read_troubles(files: Files, settings: Settings) -> list[Trouble]:
    """Read the list; half of one, which is being written, says nothing."""
    try:
        return [Trouble(**each) for each in json.loads(files.read_text(_path(settings)) or "[]")]
    except (ValueError, TypeError):
        return []


def _path(settings: Settings) -> str:
    return settings.path("checkpoints", "troubles.json")
