"""Spark sessions, and a JVM without one for commands that only look at files."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from pyspark import SparkConf, SparkContext
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from lake import class_archive
from lake.errors import ConfigError, ServiceError
from lake.fs import FileSystem
from lake.interrupts import hush_on_interrupt
from lake.scratch import lasting_scratch
from lake.settings import CONF, Settings, is_secret, spark_default

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=128m"
"""Java options for a process that asks little and ends.

The room for compiled code is 48 MB with the first option alone. Spark fills it within some twenty
jobs, and then Java throws code away and compiles it again, at half the speed.
"""


def prepare_environment(settings: Settings) -> None:
    """Point Spark's own start scripts at our configuration and at the chosen Hadoop's.

    Values that are set already stay: a site's choice wins.
    """
    os.environ.setdefault("SPARK_CONF_DIR", str(CONF))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    hadoop = settings.resolved_hadoop_conf_dir
    if hadoop is not None:
        os.environ.setdefault("HADOOP_CONF_DIR", str(hadoop))


def require_service(settings: Settings) -> None:
    """Fail at once, with a sentence, where the NameNode does not answer.

    Hadoop's client would try for a minute. Where the address names no single host and port
    (a nameservice, a local file system) there is nothing to ask and nothing happens.

    Raises:
        ServiceError: nothing listens at the configured address, or none is configured.
    """
    uri = settings.fs or default_fs(settings)
    if not uri:
        raise ServiceError(
            "No HDFS is configured: start the sandbox with `flo sandbox up`, "
            "or set HADOOP_CONF_DIR to a cluster's configuration."
        )
    parts = urlsplit(uri)
    if parts.scheme != "hdfs" or not parts.hostname or not parts.port:
        return
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except OSError as error:
        raise ServiceError(
            f"HDFS does not answer at {parts.netloc} ({error.strerror or error}); "
            "start it with `flo sandbox up`, or check HADOOP_CONF_DIR."
        ) from None


def default_fs(settings: Settings) -> str:
    """Read ``fs.defaultFS`` from the Hadoop configuration; empty where there is none."""
    found = hadoop_properties(settings)
    return found.get("fs.defaultFS") or found.get("fs.default.name", "")


def hadoop_properties(settings: Settings) -> dict[str, str]:
    """Read what the Hadoop configuration says of the file system; the last word on a name wins.

    Raises:
        ConfigError: a file of it is no XML.
    """
    found: dict[str, str] = {}
    conf = settings.resolved_hadoop_conf_dir
    for name in ("core-site.xml", "hdfs-site.xml"):
        file = conf / name if conf else None
        if file is not None and file.is_file():
            for entry in _parse(file).iter("property"):
                key, value = (entry.findtext(part) or "" for part in ("name", "value"))
                found[key.strip()] = value.strip()
    return found


def _parse(file: Path) -> ElementTree.ElementTree[ElementTree.Element]:
    try:
        return ElementTree.parse(file)  # noqa: S314 - our own
    except ElementTree.ParseError as error:
        raise ConfigError(
            f"{file} is not valid XML ({error}); correct it, or check HADOOP_CONF_DIR."
        ) from None


def spark_submit(settings: Settings) -> list[str]:
    """The start of a ``spark-submit`` command line for a job of ours.

    It is to be run in the environment of this process, which is told what Java has to know.
    A secret is not on it, where every user of the machine could read it: the job reads the settings
    again, and gives them all to its session.
    """
    home = class_archive.SPARK_HOME
    options = settings.spark
    if settings.master.startswith("local"):  # elsewhere, the paths of this machine mean nothing
        class_archive.declare()
        options = class_archive.with_archive(options)
    further = [
        f"--conf={key}={value}" for key, value in sorted(options.items()) if not is_secret(key)
    ]
    return [str(home / "bin" / "spark-submit"), "--master", settings.master, *further]


def build_session(
    settings: Settings, app: str, *, names: bool = False, short: bool = False
) -> SparkSession:
    """Open (or join) the Spark session of this process.

    Args:
        settings: master, further Spark settings, Hadoop configuration.
        app: the application's name.
        names: also declare ``flo.<table>`` for each table that exists, in this session only,
            so that no metastore is needed.
        short: for a command that asks little and ends: Java compiles less, which starts it a
            third sooner (15 s to 10 s on two busy cores) and would slow down a long job.
    """
    if short:
        os.environ.setdefault("SPARK_SUBMIT_OPTS", QUICK_START)
    prepare_environment(settings)
    if SparkSession.getActiveSession() is None:
        require_service(settings)
    options = _options(settings, app)
    # PySpark logs what Spark says of a row or a statement, before we say it in our way.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True
    _start_java(options)
    builder = SparkSession.builder
    for key, value in options.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    if not _is_submitted():
        hush_on_interrupt(spark._jvm)  # again: Spark has put a handler of its own before ours
    if names:
        from lake.delta import declare_names

        declare_names(spark, settings)
    return spark


def _options(settings: Settings, app: str) -> dict[str, str]:
    """All that a session's builder is told."""
    options = {"spark.app.name": app}
    if not _is_submitted():
        # Under spark-submit the master is the operator's choice. The cluster is for the jobs: what
        # is typed computes where it is typed.
        options["spark.master"] = "local[*]" if settings.master == "yarn" else settings.master
    # Our own jobs go by path: they must not depend on a metastore being there.
    options["spark.sql.catalogImplementation"] = "in-memory"
    if settings.fs:  # paths without an address are meant to be there, too
        options["spark.hadoop.fs.defaultFS"] = settings.fs
    options |= settings.spark
    if options.get("spark.master", settings.master).startswith("local"):
        options["spark.local.dir"] = _private_places(options)
    return options if _is_submitted() else class_archive.with_archive(options)


def _private_places(options: Mapping[str, str]) -> str:
    """Where Spark keeps blocks and shuffles, which hold rows; a cluster's manager sees to that."""
    chosen = options.get("spark.local.dir") or spark_default("spark.local.dir")
    return ",".join(str(lasting_scratch("spark", each)) for each in chosen.split(","))


def _is_submitted() -> bool:
    """Tell whether spark-submit has started this process, or a JVM for it."""
    return "SPARK_SUBMIT_MODE" in os.environ or bool(os.environ.get("PYSPARK_GATEWAY_PORT"))


def _start_java(options: Mapping[str, str]) -> None:
    """Start the JVM of this process, if it has none, with all options but the secret ones.

    PySpark would put every option on its command line, where every user of the machine can read
    it. Once there is a JVM, the builder's options go to Spark's configuration within it, so the
    session has them all.
    """
    if SparkContext._gateway is not None:
        return
    class_archive.declare()
    told = SparkConf()
    for key, value in options.items():
        if not is_secret(key):
            told.set(key, value)
    SparkContext._ensure_initialized(conf=told)
    if not _is_submitted():
        hush_on_interrupt(SparkContext._jvm)


def open_file_system(settings: Settings) -> FileSystem:
    """Start a JVM with Hadoop's client only (about a second), and return its file system.

    Raises:
        ServiceError: HDFS does not answer.
    """
    from pyspark.java_gateway import launch_gateway

    os.environ.setdefault("SPARK_SUBMIT_OPTS", QUICK_START)
    prepare_environment(settings)
    require_service(settings)
    class_archive.declare()
    options = SparkConf().setAll(list(class_archive.with_archive({}).items()))
    gateway = launch_gateway(options)  # type: ignore[no-untyped-call]
    jvm = gateway.jvm
    hush_on_interrupt(jvm)
    conf = jvm.org.apache.hadoop.conf.Configuration()
    if settings.fs:
        conf.set("fs.defaultFS", settings.fs)
    return FileSystem(jvm, conf)
