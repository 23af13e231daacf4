"""Where an accounted-for file goes, and getting it there."""

from __future__ import annotations

from datetime import datetime

from lake.errors import NotFoundError
from lake.fs import FileSystem
from lake.paths import marked_name, plain_path
from lake.settings import Settings


def archive_path(settings: Settings, files: FileSystem, path: str, moment: datetime) -> str:
    """Choose a free place below ``archive/yyyy/mm/dd/`` (UTC day of the account) for a file.

    The name stays; a second file of that name on that day gets the moment as a suffix.
    """
    name = path.rsplit("/", 1)[-1]
    folder = f"{settings.archive}/{moment:%Y/%m/%d}"
    if files.exists(f"{folder}/{name}"):
        name = marked_name(name, f"~{moment:%H%M%S%f}")
    return plain_path(f"{folder}/{name}")


def move_to_archive(files: FileSystem, source: str, target: str) -> None:
    """Move a file; one that is gone has been moved already. The modification time stays."""
    files.mkdirs(target.rsplit("/", 1)[0])
    try:
        files.rename(source, target)
    except NotFoundError:
        return
