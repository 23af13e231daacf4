"""Files in HDFS (or any Hadoop file system), through Hadoop's own client in the driver's JVM."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from py4j.protocol import Py4JJavaError, Py4JNetworkError
from pyspark.errors.exceptions.captured import UnsupportedOperationException

from lake.causes import translate
from lake.errors import AccessError, NotFoundError, TransientError
from lake.java import java_class
from lake.paths import plain_path
from lake.scratch import scratch
from lake.statuses import read_listing, read_statuses, write_listing, write_statuses

LATEST_MS = 253_402_214_400_000
"""The beginning of 9999-12-31: a file dated in microseconds, say, lies in the year 58000."""

FileKey = tuple[str | int, int, int]
"""See :func:`file_key`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HDFS = "hdfs"


@dataclass(frozen=True)
class FileInfo:
    """What the file system says of one path.

    Attributes:
        path: without scheme and authority, such as ``/flo/landing/a.csv``.
        size: in bytes; 0 for a directory.
        modified_ms: modification time in milliseconds since 1970 (UTC); one that is later than
            Python's calendar goes is :data:`LATEST_MS`.
        file_id: by which HDFS knows the file, whatever its name; a file that is put in its place
            has another. None where the file system has no such thing, or the reader cannot see it.
    """

    path: str
    size: int
    modified_ms: int
    is_dir: bool
    owner: str
    mode: int
    # Two readers describe a file alike, though only one of them sees this.
    file_id: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Bring the time into the calendar."""
        object.__setattr__(self, "modified_ms", min(self.modified_ms, LATEST_MS))

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def appearance(self) -> tuple[str, int, int]:
        """What one look tells a file by: another one of its name has another time or size."""
        return self.path, self.modified_ms, self.size

    @property
    def key(self) -> FileKey:
        """What tells this very file, as it is now, from any other."""
        return file_key(self.path, self.file_id, self.modified_ms, self.size)

    @property
    def modified_at(self) -> datetime:
        """Modification time, with the zone UTC."""
        return from_millis(self.modified_ms)


def file_key(path: str, file_id: int | None, modified_ms: int, size: int) -> FileKey:
    """Tell a file by its id, or by its path where it has none, and by its time and size.

    A renamed file stays the same one; one that was written anew, or appended to, does not.
    """
    return path if file_id is None else file_id, modified_ms, size


class FileClock:
    """The file system's clock, reckoned on from the time that it has given to a fresh file."""

    def __init__(self, now_ms: int) -> None:
        """Set it."""
        self.set(now_ms)

    def set(self, now_ms: int) -> None:
        """Set it anew: clocks drift."""
        self._ahead = now_ms / 1000 - time.monotonic()

    def now(self) -> datetime:
        """Tell the time, with the zone UTC."""
        return from_millis(int(1000 * (time.monotonic() + self._ahead)))


def from_millis(millis: int) -> datetime:
    """Turn milliseconds since 1970 into a moment with the zone UTC, exactly."""
    return from_micros(1000 * millis)


def from_micros(micros: int) -> datetime:
    """Turn microseconds since 1970 into a moment with the zone UTC, exactly."""
    return _EPOCH + timedelta(microseconds=micros)


class Tree(ABC):
    """What follows for every file system from looking at one path and listing one directory."""

    @abstractmethod
    def status(self, path: str) -> FileInfo | None:
        """Describe a path, or return None where there is nothing."""

    @abstractmethod
    def list(self, path: str) -> list[FileInfo]:
        """Describe what a directory holds, by name; empty where there is no directory."""

    def exists(self, path: str) -> bool:
        """Tell whether there is something at a path."""
        return self.status(path) is not None

    def walk(self, path: str) -> Iterator[FileInfo]:
        """Describe every file below a directory."""
        for info in self.list(path):
            if info.is_dir:
                yield from self.walk(info.path)
            else:
                yield info


class FileSystem(Tree):
    """One Hadoop file system; every method takes full URIs or plain paths."""

    def __init__(self, jvm: Any, hadoop_conf: Any) -> None:
        """Bind to a JVM and a Hadoop ``Configuration``."""
        self._jvm = jvm
        self._conf = hadoop_conf

    @classmethod
    def of(cls, spark: Any) -> FileSystem:
        """Use the JVM and the configuration of a Spark session."""
        return cls(spark._jvm, spark._jsc.hadoopConfiguration())

    def exists(self, path: str) -> bool:
        """Tell whether there is something at a path."""
        with self._calling(f"Cannot look at {path}"):
            return bool(self._fs(path).exists(self._path(path)))

    def status(self, path: str) -> FileInfo | None:
        """Describe a path, or return None where there is nothing."""
        # Asked first: Hadoop tells of a missing path by an exception, and to turn one of Java's
        # into Python's takes PySpark some 80 calls. A stream asks so twice a second.
        if not self.exists(path):
            return None
        try:
            with self._calling(f"Cannot look at {path}"):
                fs = self._fs(path)
                return self._info(fs.getFileStatus(self._path(path)), fs.getScheme())
        except NotFoundError:
            return None

    def list(self, path: str) -> list[FileInfo]:
        """Describe what a directory holds, by name; empty where there is no directory."""
        try:
            with self._calling(f"Cannot list {path}"):
                fs = self._fs(path)
                found = fs.listStatus(self._path(path))
                if fs.getScheme() == _HDFS:
                    listed = read_listing(write_listing(self._jvm, found), plain_path(path))
                    infos = [FileInfo(*each) for each in listed]
                else:
                    listed = read_statuses(write_statuses(self._jvm, found))
                    infos = [FileInfo(plain_path(each[0]), *each[1:]) for each in listed]
        except NotFoundError:
            return []
        return sorted(infos, key=lambda info: info.path)

    def is_being_written(self, path: str) -> bool:
        """Tell whether a writer holds the file open; only HDFS knows, others say no."""
        with self._calling(f"Cannot look at {path}"):
            fs = self._fs(path)
            if fs.getScheme() != _HDFS:
                return False
            return not fs.isFileClosed(self._path(path))

    def mkdirs(self, path: str, mode: int | None = None) -> None:
        """Make a directory and its parents; with ``mode``, set its permission bits."""
        with self._calling(f"Cannot make the directory {path}"):
            self._fs(path).mkdirs(self._path(path))
        if mode is not None:
            self.chmod(path, mode)

    def chmod(self, path: str, mode: int) -> None:
        """Set permission bits, such as ``0o750``."""
        with self._calling(f"Cannot set the permission of {path}"):
            permission = self._java("permission.FsPermission")(format(mode, "o"))
            self._fs(path).setPermission(self._path(path), permission)

    def may(self, path: str, action: str) -> bool:
        """Tell whether this user may do something with a path, such as ``r-x`` or ``-w-``."""
        wanted = self._java("permission.FsAction").getFsAction(action)
        try:
            with self._calling(f"Cannot look at {path}"):
                self._fs(path).access(self._path(path), wanted)
        except AccessError:
            return False
        return True

    def access_list(self, path: str) -> set[str]:
        """Read what a path's access list has beside its mode, such as ``user:name:r-x``."""
        with self._calling(f"Cannot read the access list of {path}"):
            entries = self._fs(path).getAclStatus(self._path(path)).getEntries()
            return {str(entry.toString()) for entry in entries}

    def add_access(self, path: str, entries: Iterable[str]) -> None:
        """Add entries to a path's access list, or change them."""
        with self._calling(f"Cannot change the access list of {path}"):
            parse = self._java("permission.AclEntry").parseAclSpec
            self._fs(path).modifyAclEntries(self._path(path), parse(",".join(entries), True))

    def rename(self, source: str, target: str) -> None:
        """Move a file, atomically; the modification time stays.

        Raises:
            NotFoundError: the source is gone.
            TransientError: the file system refused, for instance as the target exists.
        """
        with self._calling(f"Cannot move {source} to {target}"):
            done = self._fs(source).rename(self._path(source), self._path(target))
        if not done:
            if not self.exists(source):
                raise NotFoundError(f"Cannot move {source}: it is not there any more.")
            raise TransientError(f"Cannot move {source} to {target}: is the target there already?")

    def delete(self, path: str) -> None:
        """Delete a file or a whole directory; nothing there is no error."""
        with self._calling(f"Cannot delete {path}"):
            self._fs(path).delete(self._path(path), True)

    def download(self, remote: str, local: Path) -> None:
        """Copy a remote file to a local one, in the JVM."""
        with self._calling(f"Cannot read {remote}"):
            target = self._path(local.absolute().as_uri())
            self._fs(remote).copyToLocalFile(False, self._path(remote), target, True)

    def upload(self, local: Path, remote: str) -> None:
        """Copy a local file to a remote one, overwriting it."""
        with self._calling(f"Cannot write {remote}"):
            source = self._path(local.absolute().as_uri())
            self._fs(remote).copyFromLocalFile(False, True, source, self._path(remote))

    def read_text(self, path: str) -> str | None:
        """Read a UTF-8 file whole, or return None where there is none.

        By way of a local copy: handing bytes from Java to Python takes a hundred times longer.
        """
        if not self.exists(path):
            return None
        with scratch("read") as folder:
            local = folder / "text"
            try:
                self.download(path, local)
            except NotFoundError:
                return None
            return local.read_text("utf-8", "replace")

    def write_text(self, path: str, text: str, *, overwrite: bool = True) -> bool:
        """Write a small UTF-8 file; without ``overwrite``, return False where one exists."""
        if not overwrite and self.exists(path):
            return False
        with self._calling(f"Cannot write {path}"):
            try:
                stream = self._fs(path).create(self._path(path), overwrite)
            except Py4JJavaError:
                # Two writers met between the look and the create: the other one won.
                if not overwrite and self.exists(path):
                    return False
                raise
            try:
                stream.write(bytearray(text.encode()))
            finally:
                stream.close()
        return True

    def put_in_place(self, source: str, target: str) -> bool:
        """Give a file a name that nothing has, in one step that only one of several can win.

        Returns:
            Whether it has that name now. Otherwise something else has it, and the file is gone.
        """
        with self._calling(f"Cannot put {target} into place"):
            fs, *paths = self._fs(source), self._path(source), self._path(target)
            # HDFS refuses a name that is taken; a rename on a local disk would take it away.
            local = fs.getScheme() == "file"
            done = link(*(p.toUri().getPath() for p in paths)) if local else fs.rename(*paths)
            if local or not done:
                fs.delete(paths[0], False)
        return bool(done)

    def now_ms(self, beside: str) -> int:
        """The file system's own time, as it gives it to a fresh file beside this path."""
        fresh = f"{beside}.{uuid4().hex}"
        self.write_text(fresh, "")
        info = self.status(fresh)
        self.delete(fresh)
        if info is None:
            raise TransientError(f"The file {fresh} went away; try again.")
        return info.modified_ms

    def touch(self, path: str) -> None:
        """Set a file's modification time to now, by the file system's own time."""
        now = self.now_ms(path)
        with self._calling(f"Cannot touch {path}"):
            self._fs(path).setTimes(self._path(path), now, -1)

    def _java(self, name: str) -> Any:
        return java_class(self._jvm, f"org.apache.hadoop.fs.{name}")

    def _path(self, path: str) -> Any:
        return self._java("Path")(path)

    def _fs(self, path: str) -> Any:
        return self._path(path).getFileSystem(self._conf)

    @contextmanager
    def _calling(self, what: str) -> Iterator[None]:
        try:
            yield
        except (Py4JJavaError, Py4JNetworkError) as error:
            raise translate(error, what) from None
        except UnsupportedOperationException as error:
            raise TransientError(f"{what}: this file system has no such thing ({error}).") from None

    @staticmethod
    def _info(status: Any, scheme: str) -> FileInfo:
        return FileInfo(
            path=str(status.getPath().toUri().getPath()),
            size=0 if status.isDirectory() else int(status.getLen()),
            modified_ms=int(status.getModificationTime()),
            is_dir=bool(status.isDirectory()),
            owner=str(status.getOwner()),
            mode=int(status.getPermission().toShort()),
            file_id=int(status.getFileId()) if scheme == _HDFS else None,
        )


def link(source: str, target: str) -> bool:
    """Give a local file a second name, and tell whether nothing had that."""
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        return False
    return True


def put_whole(files: FileSystem, path: str, text: str) -> None:
    """Write a text file that is there whole or not at all; one that is there stays as it is.

    Until then it has a fresh name beside it: others may be writing the same one.
    """
    fresh = f"{path}.{uuid4().hex}"
    files.write_text(fresh, text)
    files.put_in_place(fresh, path)
