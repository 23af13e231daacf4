"""The tables over JDBC and ODBC: Spark's Thrift server in this process, which only answers."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from batch.questions.access import hive_access, java_properties, require_access
from batch.questions.guard import Guard
from lake.delta import declare_names
from lake.errors import AccessError, ConfigError, ServiceError, TransientError, no_tables
from lake.fs import FileSystem
from lake.session import build_session
from lake.settings import Settings
from lake.tables import DATABASE

log = structlog.get_logger()

# How often tables are looked for that have been made since, such as the segments.
_LOOK_SECONDS = 5.0
_USER = "HADOOP_USER_NAME"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
# Whatever parses XML in this Java opens nothing that a text names, and unfolds no entities. (Java
# 17 and 21 cannot leave out DTDs altogether: the last of them is of later ones.)
_NO_ENTITIES = (
    "-Djavax.xml.accessExternalDTD=",
    "-Djavax.xml.accessExternalSchema=",
    "-Djavax.xml.accessExternalStylesheet=",
    "-Djdk.xml.entityExpansionLimit=1",
    "-Djdk.xml.dtd.support=deny",
)


class Server:
    """A running server.

    Attributes:
        url: what a JDBC client connects to.
        user: whom HDFS takes it for.
        may_write: whether HDFS would let that user write to the tables.
    """

    def __init__(self, spark: SparkSession, settings: Settings, url: str) -> None:
        """Name the tables; `serving` does the rest.

        Raises:
            NotFoundError: there are no tables.
            AccessError: HDFS does not let this user read them.
        """
        jvm: Any = spark._jvm
        user = jvm.org.apache.hadoop.security.UserGroupInformation.getCurrentUser()
        self.url = url
        self.user = str(user.getShortUserName())
        self._spark = spark
        self._settings = settings
        self._files = FileSystem.of(spark)
        self._named: set[str] = set()
        if not self._files.exists(settings.tables):
            raise no_tables(settings.tables)
        if not self._files.may(settings.tables, "r-x"):
            raise AccessError(
                f"The HDFS user {self.user} may not read {settings.tables}: run `flo init` as its "
                "owner, with `reader` in the settings naming that user."
            )
        self.may_write = self._files.may(settings.tables, "-w-")
        self._name_tables()
        if not self._named:
            raise no_tables(settings.tables)

    def wait(self) -> None:
        """Serve until a signal's exception comes; meanwhile, give new tables their names.

        Raises:
            ServiceError: the Java process has ended.
        """
        gateway: Any = self._spark.sparkContext._gateway
        is_troubled = False
        while True:
            time.sleep(_LOOK_SECONDS)
            if gateway.proc.poll() is not None:
                raise ServiceError("The Java process of the server has ended; start it again.")
            try:
                self._name_tables()
                is_troubled = False
            except (TransientError, PySparkException, Py4JJavaError) as error:
                if not is_troubled:
                    log.warning("new tables not looked for", why=type(error).__name__)
                is_troubled = True

    def _name_tables(self) -> None:
        there = {info.name for info in self._files.list(self._settings.tables) if info.is_dir}
        if there - self._named:
            declare_names(self._spark, self._settings)
            rows = self._spark.sql(f"SHOW TABLES IN {DATABASE}").collect()
            self._named = {row["tableName"] for row in rows}


@contextmanager
def serving(settings: Settings, host: str, port: int) -> Iterator[Server]:
    """Serve the tables until the block is left.

    - HDFS takes the server for the ``reader`` of the settings, whatever a client calls itself; on a
      secure cluster it goes by the ticket instead.
    - What a client may do is listed (see ``allowed.toml``), and the rest is refused before anything
      of it is executed: names are not protected by HDFS, nor is this machine.
    - To other machines' clients it answers only where it asks them who they are.
    - Each query reads the version of a table that was the newest when it began, so a batch of a
      stream is seen whole or not at all.

    Args:
        settings: where the tables are, and who reads them.
        host: the address to listen at.
        port: the port; see `choose_port`.

    Raises:
        ConfigError: other machines reach it, and nobody would be asked who he is.
        NotFoundError: there are no tables.
        AccessError: HDFS does not let the reader read them.
        ServiceError: HDFS does not answer, or the server could not start.
    """
    require_access(settings, host, is_open(host))
    with tempfile.TemporaryDirectory(prefix="flo-serve-") as scratch:
        own = _own_settings(settings, host, port, Path(scratch))
        # In the environment, Hive would take the user for one to be impersonated.
        os.environ.pop(_USER, None)
        spark = build_session(
            settings.model_copy(update={"spark": {**settings.spark, **own}}), "flo-serve"
        )
        running: Any = None
        try:
            server = Server(spark, settings, _url(host, port))
            running = _start(spark, settings, own, f"{host}:{port}")
            yield server
        finally:
            # A signal to the whole process group has ended Java already.
            with suppress(Py4JError, OSError):
                if running is not None:
                    running.stop()
                spark.stop()


def choose_port(host: str, port: int) -> int:
    """Make sure that one can listen there, before anything is started; 0 chooses a free port.

    Raises:
        ConfigError: the port is taken, or the address is none of this machine's.
    """
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"Nothing can listen at {host}:{port} ({error.strerror}); "
            "choose another with --port, or --host."
        ) from None


def is_open(host: str) -> bool:
    """Tell whether an address can be reached from other machines."""
    return not ip_address(socket.gethostbyname(host)).is_loopback


def _url(host: str, port: int) -> str:
    name = socket.gethostname() if ip_address(socket.gethostbyname(host)).is_unspecified else host
    return f"jdbc:hive2://{name}:{port}/{DATABASE}"


def _own_settings(settings: Settings, host: str, port: int, scratch: Path) -> dict[str, str]:
    """Give the Spark settings that a server must have, whatever else is set."""
    hive = {
        "server2.thrift.bind.host": host,
        "server2.thrift.port": str(port),
        # Over HTTP another part of Hive would take in what a client sends when it connects.
        "server2.transport.mode": "binary",
        # Not as whom a client says that it is.
        "server2.enable.doAs": "false",
        "server2.logging.operation.enabled": "false",
        # By default in HDFS, where the reader may not write.
        "exec.scratchdir": scratch.as_uri(),
        "exec.local.scratchdir": str(scratch),
        "downloaded.resources.dir": str(scratch),
        # `${env:…}` in a statement or a setting would read this process's environment.
        "variable.substitute": "false",
        **hive_access(settings),
    }
    user = settings.reader or os.environ.get(_USER, "")
    options = [
        settings.spark.get(_JAVA_OPTIONS, ""),
        # Hive starts a Derby in memory, which would write a log where the server was started.
        f"-Dderby.stream.error.file={os.devnull}",
        *([f"-D{_USER}={user}"] if user else []),
        *_NO_ENTITIES,
    ]
    return {
        **{f"spark.hadoop.hive.{name}": value for name, value in hive.items()},
        "spark.sql.warehouse.dir": scratch.as_uri(),
        # The check is in the sessions that clients get, not in the one that names the tables.
        "spark.sql.hive.thriftServer.singleSession": "false",
        # Of a long result one part at a time, so that nobody's extract fills the memory for all.
        "spark.sql.thriftServer.incrementalCollect": "true",
        "spark.sql.variable.substitute": "false",
        # A format and a path in the place of a table: to find out what is there is to read it.
        "spark.sql.runSQLOnFiles": "false",
        # A script's statements would be looked at one by one, but its loops by nobody.
        "spark.sql.scripting.enabled": "false",
        _JAVA_OPTIONS: " ".join(options).strip(),
    }


def _start(spark: SparkSession, settings: Settings, own: Mapping[str, str], address: str) -> Any:
    jvm: Any = spark._jvm
    for name, value in java_properties(settings, own).items():
        jvm.java.lang.System.setProperty(name, value)
    guard = Guard(spark, settings)
    guard.hold()
    if settings.users is not None:
        guard.know_users()
    try:
        return guard.open()
    except Py4JJavaError as error:
        java: Any = error.java_exception
        while java.getCause() is not None:
            java = java.getCause()
        why = str(java.toString()).splitlines()[0]
        raise ServiceError(f"The server could not start at {address}: {why}.") from None
