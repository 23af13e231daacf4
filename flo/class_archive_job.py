"""What Spark does while Java's archive of classes is made: all that a stream does, in small."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # As in flo/stream_job.py: not this script's folder, but the packages beside it.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    sys.path.insert(0, str(_here.parent))

import shutil
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext

import samples
from flo import stream_job
from lake.session import build_session
from lake.settings import Settings

# Nothing listens there: what Hadoop's client loads to find that out is most of what it ever loads.
_NO_HDFS = "hdfs://127.0.0.1:1/"


def main() -> int:
    """Take in a drop, then another one, and compute the KPIs; return the stream's exit code."""
    settings = Settings.load()
    landing = Path(settings.root) / "landing"
    landing.mkdir(parents=True)
    for file in samples.write_drops(Path("drops"), customers=200, drops=2, rows=50, seed=1):
        shutil.move(file, landing)
        if code := stream_job.main(["--once", "--kpis"]):
            return code
    _look_at_hdfs()
    spark = build_session(settings, "flo-class-archive", names=True)
    spark.sql("SELECT * FROM flo.channel_kpis ORDER BY 1").collect()
    spark.stop()
    return 0


def _look_at_hdfs() -> None:
    jvm: Any = SparkContext._jvm
    conf = jvm.org.apache.hadoop.conf.Configuration()
    conf.set("ipc.client.connect.max.retries", "0")
    try:
        jvm.org.apache.hadoop.fs.Path(_NO_HDFS).getFileSystem(conf).exists(
            jvm.org.apache.hadoop.fs.Path(_NO_HDFS)
        )
    except Py4JJavaError:
        return


if __name__ == "__main__":
    sys.exit(main())
