"""The accounts that are kept in the archive, beside the files: a lost ledger is made from them.

Each is a hidden file of its own, which comes there whole or not at all, after its ledger row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import structlog
from pyspark.sql import SparkSession

from checkpoints.ledger import LedgerRow
from lake.delta import has_table
from lake.errors import ConfigError
from lake.fence import FENCED
from lake.fs import FileInfo, FileSystem, put_whole
from lake.settings import Settings

log = structlog.get_logger()

_NAME = re.compile(r"\.(?P<id>[0-9a-f-]{32,36})\.json")
_FRESH = re.compile(r"\.[0-9a-f]{32}$")


def is_kept_account(info: FileInfo) -> bool:
    """Tell whether a file of the archive is an account, or one that was not written whole."""
    return not info.is_dir and bool(_NAME.fullmatch(_FRESH.sub("", info.name)))


def account_path(settings: Settings, row: LedgerRow) -> str:
    """Where an account is kept: in the archive's folder of its day, as its file is.

    It has a place there also where it has no file. By the file's name it might be too long.
    """
    return f"{settings.archive}/{row.started_at:%Y/%m/%d}/.{row.account_id}.json"


def keep_account(files: FileSystem, settings: Settings, row: LedgerRow) -> None:
    """Keep an account that is in the ledger; one that is kept already stays as it is."""
    put_whole(files, account_path(settings, row), json.dumps(row.to_json()))


def require_all_tables(spark: SparkSession, settings: Settings) -> None:
    """Make sure that no table of the stream is lost: an empty one would be begun in its place.

    Raises:
        ConfigError: one is, as the archive has accounts.
    """
    lost = [name for name in FENCED if not has_table(spark, settings, name)]
    if lost and find_accounts(FileSystem.of(spark), settings):
        raise ConfigError(
            f"{', '.join(lost)}: not there under {settings.tables}, though {settings.archive} has "
            "accounts of drops; run `flo restore`, which makes all tables anew from the archive."
        )


def archived(files: FileSystem, settings: Settings) -> Iterator[FileInfo]:
    """Describe what is in the folders of the archive's days: files, directories, accounts.

    What is in an archived directory is a supplier's, who might put there what looks like ours.
    """
    folders = [settings.archive]
    for _ in ("years", "months", "days"):
        folders = [info.path for folder in folders for info in files.list(folder) if info.is_dir]
    for folder in folders:
        yield from files.list(folder)


def find_accounts(files: FileSystem, settings: Settings) -> dict[str, str]:
    """Find the accounts that are kept: their paths, by their ids."""
    names = ((_NAME.fullmatch(info.name), info) for info in archived(files, settings))
    return {name["id"]: info.path for name, info in names if name and not info.is_dir}


def read_account(files: FileSystem, account_id: str, path: str) -> LedgerRow | None:
    """Read an account; None where its file is not whole or is another's, which is told."""
    try:
        row = LedgerRow.from_json(json.loads(files.read_text(path) or ""))
    except (ValueError, TypeError, AttributeError):
        row = None
    if row is None or row.account_id != account_id:
        log.warning("account not believed", path=path, why="it is not what was written there")
        return None
    return row
