"""An HDFS that a test may harm: its daemons die, it fills up, it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession

from lake.settings import Settings
from sandbox import Sandbox
from tests.faults.drops import MadeDrop
from tests.lakes import DropLake

SUPERUSER = "hdfs"
_NO_LIMIT = 2**63 - 1
"""Hadoop's own word for: leave this quota as it is."""


class World:
    """A sandbox whose superuser is ``hdfs``, so that whoever runs the tests is an ordinary user.

    ``template`` is a lake with empty tables in the sandbox that all tests share.
    """

    def __init__(self, spark: SparkSession, var: Path, template: DropLake) -> None:
        self._jvm: Any = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
        shared = self._conf.get("fs.defaultFS")
        tables = template.files.list(template.settings.tables)
        self._templates = [f"{shared}{info.path}" for info in tables]
        self._lakes = 0
        self.spark = spark
        login = self._jvm.org.apache.hadoop.security.UserGroupInformation.getLoginUser()
        self.user = str(login.getShortUserName())
        self.sandbox = Sandbox(var)
        self.up()
        self.fs = self.sandbox.status().fs or ""
        self._admin = self.file_system(SUPERUSER)
        self._home()

    def up(self) -> None:
        """Start what is not running, and wait until it works."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HADOOP_USER_NAME", SUPERUSER)
            self.sandbox.up()

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Let it be the HDFS of this process for a while."""
        before = self._conf.get("fs.defaultFS")
        self._conf.set("fs.defaultFS", self.fs)
        try:
            yield
        finally:
            self._conf.set("fs.defaultFS", before)

    def kill(self, name: str) -> None:
        """End a daemon with SIGKILL."""
        pid = next(one.pid for one in self.sandbox.status().daemons if one.name == name)
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=10)

    def file_system(self, user: str) -> Any:
        """Open this HDFS as some user, with Hadoop's own client."""
        address = self._jvm.java.net.URI.create(self.fs or self.sandbox.status().fs)
        return self._jvm.org.apache.hadoop.fs.FileSystem.newInstance(address, self._conf, user)

    def path(self, path: str) -> Any:
        """Name a path to Hadoop."""
        return self._jvm.org.apache.hadoop.fs.Path(path)

    def permission(self, mode: int) -> Any:
        """Name permission bits to Hadoop."""
        return self._jvm.org.apache.hadoop.fs.permission.FsPermission(format(mode, "04o"))

    @contextmanager
    def safe_mode(self) -> Iterator[None]:
        """Refuse every change for a while."""
        actions = self._jvm.org.apache.hadoop.fs.SafeModeAction
        self._admin.setSafeMode(actions.ENTER)
        try:
            yield
        finally:
            self._admin.setSafeMode(actions.LEAVE)

    @contextmanager
    def quota(self, path: str, *, names: int = 0, space: int = 0) -> Iterator[None]:
        """Limit a directory for a while: names below it, or bytes."""
        self._admin.setQuota(self.path(path), names or _NO_LIMIT, space or _NO_LIMIT)
        try:
            yield
        finally:
            self._admin.setQuota(self.path(path), -1, -1)

    @contextmanager
    def mode(self, path: str, mode: int) -> Iterator[None]:
        """Give a path other permission bits for a while."""
        before = self._admin.getFileStatus(self.path(path)).getPermission()
        self._admin.setPermission(self.path(path), self.permission(mode))
        try:
            yield
        finally:
            self._admin.setPermission(self.path(path), before)

    def lake(self, **settings: Any) -> DropLake:
        """Make a lake here, as `flo init` does, but for its tables: those are copied.

        Args:
            settings: those of the new lake that are not the default.
        """
        self._lakes += 1
        lake = DropLake(self.spark, Settings(root=f"/lakes/{self._lakes}", **settings))

        def copy_tables(*_: object) -> list[str]:
            for table in self._templates:
                self._copy(self.path(table), self.path(lake.settings.tables))
            return []

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lake.initialise.create_tables", copy_tables)
            lake.initialise()
        return lake

    def _copy(self, source: Any, target: Any) -> None:
        theirs, ours = (each.getFileSystem(self._conf) for each in (source, target))
        copy = self._jvm.org.apache.hadoop.fs.FileUtil.copy
        assert copy(theirs, source, ours, target, False, self._conf)

    def _home(self) -> None:
        """Give the user of the tests a directory."""
        home = self.path("/lakes")
        self._admin.mkdirs(home)
        self._admin.setOwner(home, self.user, None)


def put(lake: DropLake, drops: Sequence[MadeDrop]) -> None:
    """Put drops into landing, with their times."""
    for drop in drops:
        lake.put(drop.name, drop.content, modified_ms=drop.modified_ms)
