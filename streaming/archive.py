"""Where an accounted-for file goes, and getting it there."""

from __future__ import annotations

from datetime import datetime

from lake.errors import NotFoundError
from lake.fs import FileSystem
from lake.settings import Settings


def archive_path(settings: Settings, files: FileSystem, path: str, moment: datetime) -> str:
    """Choose a free place below ``archive/yyyy/mm/dd/`` (UTC day of the account) for a file.

    The name stays; a second file of that name on that day gets the moment as a suffix.
    """
    name = path.rsplit("/", 1)[-1]
    stem, dot, suffix = name.partition(".")
    folder = f"{settings.archive}/{moment:%Y/%m/%d}"
    if files.exists(f"{folder}/{name}"):
        name = f"{stem}~{moment:%H%M%S%f}{dot}{suffix}"
    return plain_path(f"{folder}/{name}")


def move_to_archive(files: FileSystem, source: str, target: str) -> None:
    """Move a file; one that is gone has been moved already. The modification time stays."""
    files.mkdirs(target.rsplit("/", 1)[0])
    try:
        files.rename(source, target)
    except NotFoundError:
        return


def plain_path(uri: str) -> str:
    """Strip scheme and authority: ``hdfs://host:1/flo/x`` is ``/flo/x``."""
    if "://" not in uri:
        return uri
    return "/" + uri.split("://", 1)[1].partition("/")[2]
