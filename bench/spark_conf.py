"""The environments that contenders run in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.contenders.client import Contender
from bench.environments import clean_environment, iceberg_jar, iceberg_python, native_python
from bench.places import BUILD, LAKES, ROOT
from lake.settings import CONF, read_properties

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# No page, no progress bar, no log of each step: what nobody looks at, and which would cost time.
# Nothing else differs from the defaults.
_QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}


def driver_memory() -> str:
    """The driver memory of the project's own settings, which every Spark contender gets."""
    return read_properties(CONF / "spark-defaults.conf").get("spark.driver.memory", "1g")


def ours(name: str = "ours", **spark: str) -> Contender:
    """This project on the local disk, with the settings that it ships, but for those given."""
    further = {"FLO_FS": "file:///", "FLO_VAR": str(BUILD / "none")}
    if spark:
        further["FLO_SPARK"] = json.dumps(spark)
    environment = clean_environment(further)
    return Contender(name, Path(sys.executable), "bench.contenders.ours", environment)


def ours_on(sandbox: dict[str, str], name: str = "ours-hdfs") -> Contender:
    """This project on the sandbox's HDFS, for a look at what its programs left."""
    environment = clean_environment(sandbox)
    return Contender(name, Path(sys.executable), "bench.contenders.ours", environment)


def stock() -> Contender:
    """The stock recipe: the same Spark and Delta, with their defaults."""
    environment = clean_environment({"SPARK_CONF_DIR": str(stock_conf())})
    return Contender("stock", Path(sys.executable), "bench.contenders.stock", environment)


def floor() -> Contender:
    """The least that a first load can be: our Spark and our settings, plain Parquet."""
    environment = clean_environment({"SPARK_CONF_DIR": str(CONF)})
    return Contender("floor", Path(sys.executable), "bench.contenders.floor", environment)


def iceberg() -> Contender:
    """Iceberg on its own PySpark."""
    jar = iceberg_jar()
    folder = _conf("iceberg-conf", {"spark.driver.extraClassPath": str(jar)})
    version = jar.stem.rsplit("-", 1)[-1]
    environment = clean_environment({"SPARK_CONF_DIR": str(folder), "BENCH_ICEBERG": version})
    return Contender("iceberg", iceberg_python(), "bench.contenders.iceberg", environment)


def delta_rs() -> Contender:
    """delta-rs, without a JVM."""
    return Contender(
        "delta-rs", native_python(), "bench.contenders.delta_rs", clean_environment({})
    )


def duck() -> Contender:
    """DuckDB, without a JVM."""
    return Contender("duckdb", native_python(), "bench.contenders.duck", clean_environment({}))


def stock_conf() -> Path:
    """Spark's configuration for the stock recipe: Delta and nothing else."""
    classes = {"spark.driver.extraClassPath": f"{ROOT}/.jars/spark/*"}
    return _conf("stock-conf", _DELTA | classes)


def stock_hadoop(fs: str) -> Path:
    """A Hadoop configuration that says where HDFS is and leaves all else at its defaults."""
    folder = BUILD / "stock-hadoop"
    folder.mkdir(parents=True, exist_ok=True)
    for name, key, value in (
        ("core-site.xml", "fs.defaultFS", fs),
        ("hdfs-site.xml", "dfs.replication", "1"),
    ):
        body = f"<property><name>{key}</name><value>{value}</value></property>"
        (folder / name).write_text(f"<configuration>{body}</configuration>\n")
    return folder


def lake(name: str) -> str:
    """The place of a contender's tables on the local disk."""
    return str(LAKES / name)


def _conf(name: str, further: dict[str, str]) -> Path:
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"spark.driver.memory": driver_memory(), **_QUIET, **further}
    text = "".join(f"{key} {value}\n" for key, value in settings.items())
    (folder / "spark-defaults.conf").write_text(text)
    return folder
