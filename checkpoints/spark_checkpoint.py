"""Read what Spark wrote into a stream's checkpoint: batches planned and committed, files seen.

The layout is Spark's own: ``metadata`` (the query's id), ``offsets/<batch>`` (planned),
``commits/<batch>`` (done) and ``sources/0/<n>`` or ``<n>.compact`` (the file source's list of
files). All but the first are a version line and lines of JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from lake.errors import TransientError
from lake.reading import Files
from lake.settings import Settings

_VERSION = "v1"
_SOURCE = "sources/0"


class DamagedCheckpointError(TransientError):
    """A file of the checkpoint is torn or missing; starting the stream anew heals it.

    Args:
        path: directory of the checkpoint.
        why: what is wrong, such as ``offsets/7 is empty``.
    """

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"The checkpoint {path} is damaged: {why}. The next start of the stream sets it aside, "
            "and so does `flo checkpoint rebuild`; nothing is lost."
        )
        self.why = why


@dataclass(frozen=True)
class SeenFile:
    """A file that the source has listed, and the log offset under which it did."""

    path: str
    modified_ms: int
    offset: int


class SparkCheckpoint:
    """One checkpoint directory of a query with one file source.

    What reads the content of files raises :class:`DamagedCheckpointError` where one is torn.
    """

    def __init__(self, files: Files, path: str) -> None:
        """Name the directory; nothing is read yet."""
        self._files = files
        self.path = path

    def planned(self) -> list[int]:
        """Numbers of the batches whose offsets are written."""
        return self._numbers("offsets")

    def committed(self) -> list[int]:
        """Numbers of the batches that are done."""
        return self._numbers("commits")

    def batch_in_hand(self) -> int | None:
        """The batch that is planned and not done, if there is one."""
        done = max(self.committed(), default=-1)
        newest = max(self.planned(), default=-1)
        return newest if newest > done else None

    def seen(self) -> list[SeenFile]:
        """Every file that the source remembers."""
        return self._read_logs(self._living_logs())

    def files_of(self, batch_id: int) -> list[SeenFile]:
        """The files that a planned batch consists of."""
        start, end = self.offset_after(batch_id - 1), self.offset_after(batch_id)
        found: dict[tuple[str, int], SeenFile] = {}
        logs = self._names(_SOURCE)
        for offset in range(start + 1, end + 1):
            name = next((n for n in (str(offset), f"{offset}.compact") if n in logs), None)
            files = self._read_log(name) if name else self.seen()
            found |= {(each.path, each.offset): each for each in files if each.offset == offset}
        return sorted(found.values(), key=lambda file: (file.offset, file.path))

    def bytes(self) -> int:
        """Size of the whole directory."""
        return sum(info.size for info in self._files.walk(self.path))

    def offset_after(self, batch_id: int) -> int:
        """The file source's log offset at the end of a planned batch; -1 before the first."""
        name = f"offsets/{batch_id}"
        lines = self._lines(name) if batch_id >= 0 else None
        if lines is None:
            return -1
        return int(self._value(name, lines[-1], "logOffset"))

    def check(self) -> list[SeenFile]:
        """Read what Spark will read when it starts on this checkpoint, and as strictly.

        That is the query's id, the two newest offsets, the newest commit and the source's log
        from its newest compact file on. Older files are never read again. Commits are listed
        before offsets and these before the log, the reverse of how they are written: so a
        checkpoint in use does not look damaged.

        Returns:
            Every file that the source remembers, as they have been read with the rest.

        Raises:
            DamagedCheckpointError: Spark would fail on it, or would leave files out.
        """
        done = max(self.committed(), default=-1)
        newest = max(self.planned(), default=-1)
        self._check_metadata(required=newest >= 0)
        if done > newest:
            raise self._damaged(f"offsets/{done} is missing, though commits/{done} is there")
        if max(self.committed(), default=-1) < newest - 1:
            raise self._damaged(f"commits/{newest - 1} is missing, though batch {newest} is begun")
        for batch in range(max(newest - 1, 0), newest + 1):
            self._check_lines(f"offsets/{batch}", 3)
        if done >= 0:
            self._check_lines(f"commits/{done}", 2)
        return self._check_log(self.offset_after(newest))

    def _check_metadata(self, *, required: bool) -> None:
        text = self._files.read_text(f"{self.path}/metadata")
        if text is not None:
            self._value("metadata", text, "id")
        elif required:
            raise self._damaged("metadata is missing")

    def _check_lines(self, name: str, least: int) -> None:
        lines = self._lines(name)
        if lines is None:
            raise self._damaged(f"{name} is missing")
        if len(lines) < least:
            raise self._damaged(f"{name} is torn")
        for line in lines[1:]:
            self._value(name, line)

    def _check_log(self, end: int) -> list[SeenFile]:
        """The source's log has no gap, reaches as far as was planned, and can be read."""
        living = self._living_logs()
        first = min((at for at, name in living.items() if name.endswith(".compact")), default=0)
        gap = next((at for at in range(first, max([end, *living]) + 1) if at not in living), None)
        if gap is not None:
            raise self._damaged(f"{_SOURCE}/{gap} is missing")
        return self._read_logs(living)

    def _numbers(self, folder: str) -> list[int]:
        return sorted(int(name) for name in self._names(folder) if re.fullmatch("[0-9]+", name))

    def _names(self, folder: str) -> set[str]:
        return {info.name for info in self._files.list(f"{self.path}/{folder}")}

    def _living_logs(self) -> dict[int, str]:
        """The source's logs that count, by offset: the newest compact one and all after it."""
        names = self._names(_SOURCE)
        compact = {int(n.split(".")[0]): n for n in names if re.fullmatch("[0-9]+[.]compact", n)}
        newest = max(compact, default=-1)
        later = {int(name): name for name in names if name.isdigit() and int(name) > newest}
        return dict(sorted({**later, **({newest: compact[newest]} if compact else {})}.items()))

    def _read_logs(self, logs: Mapping[int, str]) -> list[SeenFile]:
        found = [file for name in logs.values() for file in self._read_log(name)]
        return sorted(found, key=lambda file: (file.offset, file.path))

    def _read_log(self, name: str) -> list[SeenFile]:
        path = f"{_SOURCE}/{name}"
        lines = self._lines(path) or [_VERSION]  # gone since it was listed: a newer one has it
        return [
            SeenFile(
                plain_source_path(self._value(path, line, "path")),
                int(self._value(path, line, "timestamp")),
                int(self._value(path, line, "batchId")),
            )
            for line in lines[1:]
            if line
        ]

    def _lines(self, name: str) -> list[str] | None:
        """The lines of a file, the version first; None where there is no such file."""
        text = self._files.read_text(f"{self.path}/{name}")
        if text is None:
            return None
        lines = text.strip().splitlines()
        if not lines:
            raise self._damaged(f"{name} is empty")
        if lines[0] != _VERSION:
            raise self._damaged(f"{name} does not begin with the version {_VERSION}")
        return lines

    def _value(self, name: str, line: str, key: str | None = None) -> Any:
        try:
            found = json.loads(line)
            return found if key is None else found[key]
        except (ValueError, KeyError, TypeError):
            raise self._damaged(f"{name} is torn") from None

    def _damaged(self, why: str) -> DamagedCheckpointError:
        return DamagedCheckpointError(self.path, why)


def checkpoint_path(settings: Settings) -> str:
    """Directory of the stream's checkpoint."""
    return f"{settings.checkpoints}/stream"


def plain_source_path(uri: str) -> str:
    """The file system path of a URI as the file source writes it, with its escapes undone."""
    return unquote(urlsplit(uri).path)
