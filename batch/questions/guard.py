"""The guard of the server: Java, since it runs in each client's session, compiled here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from batch.questions.lists import read_allowed
from lake.settings import Settings

_HERE = Path(__file__).parent


class Guard:
    """The compiled guard of a session's clients (see ``ReadOnly.java`` and ``Door.java``)."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        """Compile it with Spark's own compiler, and give it its lists."""
        jvm: Any = spark._jvm
        session: Any = spark._jsparkSession
        self._jvm, self._session = jvm, session
        context = jvm.Thread.currentThread().getContextClassLoader()
        checks = self._compile("ReadOnly", context).getClassLoader()
        self._lists = checks.loadClass("ReadOnly").newInstance()
        allowed = read_allowed()
        self._lists.allow(
            {
                name: set(getattr(allowed, name))
                for name in ("syntax", "sources", "functions", "databases", "catalogs")
            },
            allowed.settings,
            self._qualified(settings.tables),
        )
        self._door = self._compile("Door", checks).getClassLoader().loadClass("Door").newInstance()

    def hold(self) -> None:
        """Hold the sessions to come to the lists, not the one that there is."""
        self._lists.guard(self._session)

    def objection(self, name: str, value: str | None) -> str | None:
        """Say what is wrong with a client's setting; None where it may be set, or read."""
        found = self._lists.objection(name, value)
        return None if found is None else str(found)

    def know_users(self) -> None:
        """Have Hive find the class that knows the users of the file."""
        bytecodes = self._compile("UserFile", None).getBytecodes()
        self._door.declare(bytecodes[next(iter(bytecodes))])

    def open(self) -> Any:
        """Start the server."""
        return self._door.open(self._session, self._lists)

    def _compile(self, name: str, parent: Any) -> Any:
        compiler = self._jvm.org.codehaus.janino.SimpleCompiler()
        compiler.setParentClassLoader(
            parent or self._jvm.Thread.currentThread().getContextClassLoader()
        )
        compiler.cook((_HERE / f"{name}.java").read_text("utf-8"))
        return compiler

    def _qualified(self, path: str) -> str:
        made = self._jvm.org.apache.hadoop.fs.Path(path)
        files = made.getFileSystem(self._session.sessionState().newHadoopConf())
        return str(files.makeQualified(made).toString())


USER_FILE = "org.apache.hive.service.auth.UserFile"
"""The class that knows the users of the file, by its name."""
