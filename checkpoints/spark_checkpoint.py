"""Read what Spark wrote into a stream's checkpoint: batches planned and committed, files seen.

The layout is Spark's own: ``offsets/<batch>`` (planned), ``commits/<batch>`` (done) and
``sources/0/<n>`` or ``<n>.compact`` (the file source's list of files, in JSON lines after a
version line).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lake.fs import FileSystem


@dataclass(frozen=True)
class SeenFile:
    """A file that the source has listed, and the log offset under which it did."""

    path: str
    modified_ms: int
    offset: int


class SparkCheckpoint:
    """One checkpoint directory of a query with one file source."""

    def __init__(self, files: FileSystem, path: str) -> None:
        """Name the directory; nothing is read yet."""
        self._files = files
        self.path = path

    def planned(self) -> list[int]:
        """Numbers of the batches whose offsets are written."""
        return self._numbers("offsets")

    def committed(self) -> list[int]:
        """Numbers of the batches that are done."""
        return self._numbers("commits")

    def seen(self) -> list[SeenFile]:
        """Every file that the source remembers."""
        logs = {info.name for info in self._files.list(f"{self.path}/sources/0")}
        compacts = sorted(int(name.split(".")[0]) for name in logs if name.endswith(".compact"))
        newest = compacts[-1] if compacts else -1
        names = [f"{newest}.compact"] if compacts else []
        names += [name for name in logs if name.isdigit() and int(name) > newest]
        found = [file for name in names for file in self._read_log(name)]
        return sorted(found, key=lambda file: (file.offset, file.path))

    def files_of(self, batch_id: int) -> list[SeenFile]:
        """The files that a planned batch consists of."""
        start, end = self.offset_after(batch_id - 1), self.offset_after(batch_id)
        found: dict[tuple[str, int], SeenFile] = {}
        logs = {info.name for info in self._files.list(f"{self.path}/sources/0")}
        for offset in range(start + 1, end + 1):
            name = next((n for n in (str(offset), f"{offset}.compact") if n in logs), None)
            files = self._read_log(name) if name else self.seen()
            found |= {(each.path, each.offset): each for each in files if each.offset == offset}
        return sorted(found.values(), key=lambda file: (file.offset, file.path))

    def bytes(self) -> int:
        """Size of the whole directory."""
        return sum(info.size for info in self._files.walk(self.path))

    def _numbers(self, folder: str) -> list[int]:
        names = (info.name for info in self._files.list(f"{self.path}/{folder}"))
        return sorted(int(name) for name in names if re.fullmatch("[0-9]+", name))

    def offset_after(self, batch_id: int) -> int:
        """The file source's log offset at the end of a planned batch; -1 before the first."""
        if batch_id < 0:
            return -1
        text = self._files.read_text(f"{self.path}/offsets/{batch_id}")
        if text is None:
            return -1
        return int(json.loads(text.strip().splitlines()[-1])["logOffset"])

    def _read_log(self, name: str) -> list[SeenFile]:
        text = self._files.read_text(f"{self.path}/sources/0/{name}") or ""
        entries = [json.loads(line) for line in text.splitlines()[1:] if line]
        return [
            SeenFile(plain_source_path(each["path"]), int(each["timestamp"]), int(each["batchId"]))
            for each in entries
        ]


def plain_source_path(uri: str) -> str:
    """The file system path of a URI as the file source writes it, with its escapes undone."""
    return unquote(urlsplit(uri).path)
