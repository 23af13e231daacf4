"""The tables' names in a metastore, for programs that are not ours: spark-sql, PySpark, JDBC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import structlog
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lake.delta import declare_names
from lake.settings import Settings
from lake.tables import DATABASE, ON_DEMAND, TABLES

log = structlog.get_logger()


def publish_names(spark: SparkSession, settings: Settings) -> list[str]:
    """Register ``flo.<table>`` in a metastore; return what was new.

    Which one is said by ``hive-site.xml`` beside the Hadoop configuration, or by
    ``spark.hadoop.hive.metastore.uris`` in the settings. Our own jobs never ask a metastore, so
    one that is not there or does not answer is worth a warning and nothing more. A name that is
    there already keeps its meaning.
    """
    conf = settings.resolved_hadoop_conf_dir
    is_named = conf is not None and (conf / "hive-site.xml").is_file()
    if not is_named and "spark.hadoop.hive.metastore.uris" not in settings.spark:
        return []
    declare_names(spark, settings)
    try:
        return _copy_names(spark)
    except (Py4JJavaError, PySparkException) as error:
        java: Any = getattr(error, "java_exception", None) or error
        log.warning(
            "names not published",
            why=str(java).strip().splitlines()[0][:200],
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
