"""Private directories for what lies on this machine for a while: copies, decoded rows, shuffles.

All that a user's programs put there is below one directory, ``flo-<uid>`` in the place for
temporary files, which nobody else may enter: Spark makes its files readable to all. Each program
locks its own; what lies there unlocked is of one that was killed, and goes when the next begins.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from lake.errors import ConfigError


@contextmanager
def scratch(kind: str, place: str = "") -> Iterator[Path]:
    """Have a directory of one's own, which is removed when the block is left, or by the next one.

    Args:
        kind: begins its name.
        place: the directory for temporary files; by default this machine's (``TMPDIR``).

    Raises:
        ConfigError: somebody else has taken the name of the directory that all of them are in.
    """
    folder, lock = _claim(kind, Path(place or tempfile.gettempdir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@lru_cache(maxsize=8)
def lasting_scratch(kind: str, place: str = "") -> Path:
    """Have such a directory until this process ends; asked again, it is the same."""
    opened = scratch(kind, place)
    folder = opened.__enter__()
    atexit.register(opened.__exit__, None, None, None)
    return folder


def _claim(kind: str, place: Path) -> tuple[Path, int]:
    """Make a directory and lock it; no other program looks for abandoned ones meanwhile."""
    root = _root(place)
    whole = _lock(root, fcntl.LOCK_EX)
    try:
        _empty(root)
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=root))
        return folder, _lock(folder, fcntl.LOCK_EX)
    finally:
        os.close(whole)


def _root(place: Path) -> Path:
    """Make the directory that all of them are in; it stays: another program may be on its way."""
    root = place / f"flo-{os.geteuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigError(
            f"{root} is not this user's own directory; remove it, or choose another place for "
            "temporary files with TMPDIR."
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        root.chmod(0o700)
    return root


def _lock(folder: Path, how: int) -> int:
    """Lock a directory until what is returned is closed, or this process ends, however it does."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, how)
    except OSError:
        os.close(handle)
        raise
    return handle


def _empty(root: Path) -> None:
    """Remove what killed programs have left."""
    for folder in root.iterdir():
        try:
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or gone
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
