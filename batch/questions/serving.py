"""The tables over JDBC and ODBC: Spark's Thrift server in this process, which only answers."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lake.errors import AccessError, ConfigError, ServiceError, TransientError, no_tables
from lake.fs import FileSystem
from lake.session import build_session
from lake.settings import Settings
from lake.tables import DATABASE, declare_names

log = structlog.get_logger()

_CHECK = Path(__file__).with_name("ReadOnly.java")
# How often tables are looked for that have been made since, such as the segments.
_LOOK_SECONDS = 5.0
_USER = "HADOOP_USER_NAME"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"


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
    - A check in each client's session refuses whatever is no question, before anything of it is
      executed (see ``ReadOnly.java``): names are not protected by HDFS, nor is this machine.
    - Each query reads the version of a table that was the newest when it began, so a batch of a
      stream is seen whole or not at all.

    Args:
        settings: where the tables are, and who reads them.
        host: the address to listen at.
        port: the port; see `choose_port`.

    Raises:
        NotFoundError: there are no tables.
        AccessError: HDFS does not let the reader read them.
        ServiceError: HDFS does not answer, or the server could not start.
    """
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
            _add_check(spark)
            running = _start(spark, f"{host}:{port}")
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
        # Not as whom a client says that it is.
        "server2.enable.doAs": "false",
        "server2.logging.operation.enabled": "false",
        # By default in HDFS, where the reader may not write.
        "exec.scratchdir": scratch.as_uri(),
        "exec.local.scratchdir": str(scratch),
        "downloaded.resources.dir": str(scratch),
    }
    user = settings.reader or os.environ.get(_USER, "")
    options = [
        settings.spark.get(_JAVA_OPTIONS, ""),
        # Hive starts a Derby in memory, which would write a log where the server was started.
        f"-Dderby.stream.error.file={os.devnull}",
        *([f"-D{_USER}={user}"] if user else []),
    ]
    return {
        **{f"spark.hadoop.hive.{name}": value for name, value in hive.items()},
        "spark.sql.warehouse.dir": scratch.as_uri(),
        # The check is in the sessions that clients get, not in the one that names the tables.
        "spark.sql.hive.thriftServer.singleSession": "false",
        # Of a long result one part at a time, so that nobody's extract fills the memory for all.
        "spark.sql.thriftServer.incrementalCollect": "true",
        _JAVA_OPTIONS: " ".join(options).strip(),
    }


def _add_check(spark: SparkSession) -> None:
    """Have Spark check each plan of the sessions to come; it compiles the check itself."""
    jvm: Any = spark._jvm
    session: Any = spark._jsparkSession
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(jvm.Thread.currentThread().getContextClassLoader())
    compiler.cook(_CHECK.read_text("utf-8"))
    check = compiler.getClassLoader().loadClass(_CHECK.stem).newInstance()
    session.extensions().injectCheckRule(check)


def _start(spark: SparkSession, address: str) -> Any:
    jvm: Any = spark._jvm
    server = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2
    try:
        # Not to end the process where it fails.
        return server.startWithSparkSession(spark._jsparkSession, False)
    except Py4JJavaError as error:
        java: Any = error.java_exception
        while java.getCause() is not None:
            java = java.getCause()
        why = str(java.toString()).splitlines()[0]
        raise ServiceError(f"The server could not start at {address}: {why}.") from None
