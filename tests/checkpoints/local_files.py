"""A checkpoint in a local directory, as Spark writes it, and a file system to read it with."""

from __future__ import annotations

import json
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


def make_checkpoint(folder: Path, batches: int, *, done: int | None = None) -> None:
    """Write a checkpoint of so many batches of one file each, compacted every tenth.

    Args:
        folder: where to.
        batches: how many are planned.
        done: how many of them are committed; all if not given.
    """
    files = [
        {"path": f"hdfs://h:1/flo/landing/{n}%20a.csv", "timestamp": n, "batchId": n}
        for n in range(batches)
    ]
    _write(folder / "metadata", '{"id":"f3d421e6"}')
    for n in range(batches):
        conf = {"batchWatermarkMs": 0, "batchTimestampMs": n, "conf": {"a": "b"}}
        _write(folder / f"offsets/{n}", "v1", conf, {"logOffset": n})
        if n < (batches if done is None else done):
            _write(folder / f"commits/{n}", "v1", {"nextBatchWatermarkMs": 0})
        if n % 10 == 9:
            _write(folder / f"sources/0/{n}.compact", "v1", *files[: n + 1])
        else:
            _write(folder / f"sources/0/{n}", "v1", files[n])


def tear(path: Path) -> None:
    """Cut a file in the middle of its last line, as a crash in the middle of a write would."""
    text = path.read_text("utf-8")
    path.write_text(text[:-3], "utf-8")


def _write(path: Path, *lines: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8"
    )
