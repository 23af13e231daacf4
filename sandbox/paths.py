"""What a sandbox keeps under its `var` directory, and how it knows its own."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

#: Written first into whatever the sandbox makes; `wipe` touches nothing without it.
MARKER = ".flo-sandbox"
_NOTE = "Made by `flo sandbox up`; removed by `flo sandbox wipe`.\n"


@dataclass(frozen=True)
class Paths:
    """The places under one `var`: `sandbox/` is the daemons', `hadoop/` is the clients'."""

    var: Path

    @property
    def home(self) -> Path:
        """Everything that belongs to the daemons."""
        return self.var / "sandbox"

    @property
    def client_conf(self) -> Path:
        """The Hadoop client configuration: what HADOOP_CONF_DIR is pointed at."""
        return self.var / "hadoop"

    @property
    def server_conf(self) -> Path:
        """The daemons' own configuration."""
        return self.home / "conf"

    @property
    def name_dir(self) -> Path:
        """The NameNode's image and edit log."""
        return self.home / "name"

    @property
    def data_dir(self) -> Path:
        """The DataNode's blocks."""
        return self.home / "data"

    @property
    def metastore_dir(self) -> Path:
        """The Derby server's home."""
        return self.home / "metastore"

    @property
    def metastore_db(self) -> Path:
        """The database that holds the names of the tables."""
        return self.metastore_dir / "metastore"

    @property
    def yarn_dir(self) -> Path:
        """Containers' working directories and logs."""
        return self.home / "yarn"

    @property
    def logs(self) -> Path:
        """One log per daemon."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """One pid file per daemon."""
        return self.home / "run"

    @property
    def tmp(self) -> Path:
        """The daemons' java.io.tmpdir."""
        return self.home / "tmp"

    @property
    def ports(self) -> Path:
        """The kept ports."""
        return self.home / "ports.json"

    @property
    def lock(self) -> Path:
        """Held by whoever changes the sandbox."""
        return self.var / ".sandbox.lock"

    def is_ours(self, folder: Path) -> bool:
        """Tell whether a sandbox made `folder` (a link to such a folder is not it)."""
        return not folder.is_symlink() and (folder / MARKER).is_file()

    def claim(self) -> None:
        """Make the directories, refusing any that hold something else."""
        for folder in (self.home, self.client_conf):
            if folder.is_symlink() or (
                folder.exists() and not self.is_ours(folder) and any(folder.iterdir())
            ):
                raise SandboxError(
                    f"{folder} is there and was not made by a sandbox: move it away, "
                    "or set FLO_VAR to another directory."
                )
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MARKER).write_text(_NOTE, "utf-8")
        for part in (self.server_conf, self.metastore_dir, self.logs, self.run, self.tmp):
            part.mkdir(exist_ok=True)

    def remove(self) -> None:
        """Remove what a sandbox made and nothing else, never through a link."""
        made = [folder for folder in (self.home, self.client_conf) if _is_there(folder)]
        for folder in made:
            if not self.is_ours(folder):
                raise SandboxError(
                    f"{folder} has no {MARKER} file, so it was not made by a sandbox: "
                    "nothing was removed; remove it by hand if you mean it."
                )
        for folder in made:
            # The marker goes last, so that an interrupted wipe can be repeated.
            for entry in folder.iterdir():
                if entry.name != MARKER:
                    _remove_entry(entry)
            shutil.rmtree(folder)

    def remove_if_empty(self) -> None:
        """Remove `var` itself when nothing is left in it."""
        with contextlib.suppress(OSError):
            self.var.rmdir()


def _is_there(folder: Path) -> bool:
    return folder.is_symlink() or folder.exists()


def _remove_entry(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
