"""One look at all places where a file can be: landing, ledger and archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checkpoints.kept_accounts import is_kept_account
from checkpoints.ledger import LedgerRow
from checkpoints.troubles import Trouble, read_troubles
from lake.fs import FileInfo
from lake.reading import Files, Lake, Question
from lake.settings import Settings
from lake.tables import LEDGER

AUDITED = (
    "account_id",
    "path",
    "file_id",
    "bytes",
    "modified_at",
    "state",
    "started_at",
    "archived_path",
)


@dataclass(frozen=True)
class Look:
    """What was seen, in this order, in which a file moves on: one on its way is seen at least once.

    Attributes:
        landing: what lies in landing, directories too.
        inside: what lies in directories of landing, at any depth.
        accounts: the ledger: path, bytes, times, state and archived path.
        archive: what lies in the archive, at any depth, directories too; not the accounts there.
        troubles: what the stream tells of files in landing.
    """

    landing: Sequence[FileInfo]
    inside: Sequence[FileInfo]
    accounts: Sequence[LedgerRow]
    archive: Sequence[FileInfo]
    troubles: Sequence[Trouble] = ()


def take_look(
    files: Files, settings: Settings, read_accounts: Callable[[], Sequence[LedgerRow]]
) -> Look:
    """Look at these places, in the order of :class:`Look`."""
    landing = files.list(settings.landing)
    inside = [each for info in landing if info.is_dir for each in _tree(files, info.path)]
    return Look(
        landing=landing,
        inside=inside,
        accounts=read_accounts(),
        archive=[e for e in _tree(files, settings.archive) if not is_kept_account(e)],
        troubles=look_for_troubles(files, settings),
    )


def look_for_troubles(files: Files, settings: Settings) -> list[Trouble]:
    """Read what the stream tells of files that are still in landing."""
    troubles = read_troubles(files, settings)
    there = {info.path for info in files.list(settings.landing)} if troubles else set()
    return [each for each in troubles if each.path in there]


def read_accounts(lake: Lake) -> list[LedgerRow]:
    """Read of the ledger what an audit needs.

    Raises:
        NotFoundError: there are no tables yet.
    """
    return [LedgerRow(**row) for row in lake.rows(Question(LEDGER, AUDITED))]


def _tree(files: Files, path: str) -> Iterator[FileInfo]:
    """Describe everything below a directory, directories too."""
    for info in files.list(path):
        yield info
        if info.is_dir:
            yield from _tree(files, info.path)
