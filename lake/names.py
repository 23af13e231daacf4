"""The tables' names in a metastore, for programs that are not ours: spark-sql, PySpark, JDBC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import structlog
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lake.settings import Settings
from lake.tables import DATABASE, ON_DEMAND, TABLES, declare_names

log = structlog.get_logger()


def publish_names(spark: SparkSession, settings: Settings) -> list[str]:
    """Register ``flo.<table>`` in the metastore of ``hive-site.xml``; return what was new.

    Our own jobs never ask a metastore, so one that is not there or does not answer is worth a
    warning and nothing more. A name that is there already keeps its meaning.
    """
    conf = settings.resolved_hadoop_conf_dir
    if conf is None or not (conf / "hive-site.xml").is_file():
        return []
    declare_names(spark, settings)
    try:
        return _copy_names(spark)
    except Py4JJavaError as error:
        cause = str(error.java_exception).splitlines()[0][:200]
        log.warning(
            "names not published",
            why=cause,
            remedy="see that the metastore of hive-site.xml answers, then run `flo init` again",
        )
        return []


def _copy_names(spark: SparkSession) -> list[str]:
    """Copy the session's own entries, as Spark made them, to Spark's client of the metastore."""
    jvm: Any = spark._jvm
    session: Any = spark._jsparkSession
    ours = session.sessionState().catalog().externalCatalog()
    theirs = jvm.org.apache.spark.sql.hive.HiveExternalCatalog(
        spark.sparkContext._jsc.sc().conf(), session.sessionState().newHadoopConf()
    )
    if not theirs.databaseExists(DATABASE):
        theirs.createDatabase(ours.getDatabase(DATABASE), True)
    new = []
    for name in (*TABLES, *ON_DEMAND):
        if not ours.tableExists(DATABASE, name):
            continue
        table = ours.getTable(DATABASE, name)
        if not theirs.tableExists(DATABASE, name):
            theirs.createTable(table, True)
            new.append(name)
        elif (there := _place(theirs.getTable(DATABASE, name))) != _place(table):
            log.warning("name taken", name=f"{DATABASE}.{name}", table_at=there)
    return new


def _place(table: Any) -> str:
    return urlsplit(str(table.location().toString())).path
