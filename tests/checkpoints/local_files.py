"""A file system of local directories, for what needs no JVM."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lake.errors import NotFoundError
from lake.fs import FileInfo, FileSystem, link


class LocalFiles(FileSystem):
    """The methods of the file system that need no JVM here: local paths, Python's own calls."""

    def __init__(self) -> None:
        super().__init__(None, None)

    def exists(self, path: str) -> bool:
        """Tell whether there is something."""
        return Path(path).exists()

    def status(self, path: str) -> FileInfo | None:
        """Describe a path."""
        at = Path(path)
        try:
            stat = at.stat()
        except FileNotFoundError:
            return None
        millis = stat.st_mtime_ns // 1_000_000
        return FileInfo(str(at), stat.st_size, millis, at.is_dir(), "me", stat.st_mode)

    def list(self, path: str) -> list[FileInfo]:
        """Describe what a directory holds."""
        names = sorted(Path(path).iterdir()) if Path(path).is_dir() else []
        return [info for name in names if (info := self.status(str(name)))]

    def rename(self, source: str, target: str) -> None:
        """Move a file or directory."""
        if not Path(source).exists():
            raise NotFoundError(source)
        Path(source).rename(target)

    def put_in_place(self, source: str, target: str) -> bool:
        """Move a file to a name that nothing has."""
        done = link(source, target)
        Path(source).unlink()
        return done

    def touch(self, path: str) -> None:
        """Set a file's modification time."""
        now = self.now_ms(path) / 1000
        os.utime(path, (now, now))

    def delete(self, path: str) -> None:
        """Delete a file or directory."""
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def read_text(self, path: str) -> str | None:
        """Read a file whole."""
        try:
            return Path(path).read_text("utf-8") if Path(path).is_file() else None
        except FileNotFoundError:
            return None

    def write_text(self, path: str, text: str, *, overwrite: bool = True) -> bool:
        """Write a file whole."""
        at = Path(path)
        if at.exists() and not overwrite:
            return False
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text, "utf-8")
        return True
