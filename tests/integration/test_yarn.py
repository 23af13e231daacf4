"""On YARN the README's lines run what `make dist` builds, through an ApplicationMaster kill."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession

from checkpoints.in_hand import look_in_hand
from flo.dist import build
from sandbox import Sandbox
from tests.expected import assert_as_the_oracle_says, oracle_of
from tests.faults.drops import make_drops
from tests.faults.world import put
from tests.lakes import DropLake
from tests.processes import BIN, ROOT, run, wait_for

pytestmark = pytest.mark.integration

SITE = """
root = "{root}"
master = "yarn"

[spark]
"spark.driver.memory" = "1g"
"spark.driver.memoryOverhead" = "768m"
"spark.executor.memory" = "1g"
"spark.executor.cores" = "2"
"spark.executor.instances" = "1"
"spark.sql.shuffle.partitions" = "1"
"spark.yarn.maxAppAttempts" = "3"
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1"
"spark.executor.extraJavaOptions" = "-XX:TieredStopAtLevel=1"
"""
# In cluster mode YARN names an application before its session does: by the file.
STREAM, KPIS = "stream_job.py", "kpis_job.py"
_BLOCK = re.compile(r"^```sh cluster\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"
_EXECUTOR = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"


class Cluster:
    """A sandbox's YARN, seen from outside."""

    def __init__(self, sandbox: Sandbox, spark: SparkSession) -> None:
        self.paths = sandbox.paths
        daemons = {daemon.name: daemon for daemon in sandbox.up(yarn=True).daemons}
        self._daemons = [daemons[name] for name in ("nodemanager", "resourcemanager")]
        address = f"127.0.0.1:{daemons['resourcemanager'].ports['resourcemanager']}"
        hadoop: Any = spark._jvm.org.apache.hadoop.yarn  # type: ignore[union-attr]
        conf = hadoop.conf.YarnConfiguration()
        conf.set("yarn.resourcemanager.address", address)
        self._yarn = hadoop.client.api.YarnClient.createYarnClient()
        self._yarn.init(conf)
        self._yarn.start()

    def outcome(self, name: str) -> str:
        """What YARN says of the application of this name: its final status once it has ended."""
        (report,) = [each for each in self._yarn.getApplications() if each.getName() == name]
        return str(report.getFinalApplicationStatus().toString())

    def processes(self, what: str) -> list[psutil.Process]:
        """The Java processes of one kind that run in containers."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                inside = Path(process.cwd()).is_relative_to(self.paths.yarn_dir)
                if inside and process.name() == "java" and what in process.cmdline():
                    found.append(process)
        return found

    def logs(self) -> str:
        """What all containers have said so lake."""
        texts = sorted((self.paths.yarn_dir / "logs").glob("*/*/std*"))
        return "\n".join(text.read_text("utf-8", "replace") for text in texts)

    def handed_out(self) -> Iterator[str]:
        """All that containers were given to read, line by line.

        Scripts, settings, environments and arguments; not where Spark notes what it uploaded.
        """
        wanted = ("launch_container.sh", "__spark_conf__.properties", ".toml", ".xml")
        # Containers at work come and go meanwhile, and so do their files: os.walk passes over them.
        for folder, _, names in os.walk(self.paths.yarn_dir / "local"):
            for name in filter(lambda name: name.endswith(wanted), names):
                with suppress(FileNotFoundError):
                    text = Path(folder, name).read_text("utf-8", "replace")
                    yield from text.splitlines()
        for process in [*self.processes(_MASTER), *self.processes(_EXECUTOR)]:
            with suppress(psutil.NoSuchProcess):
                for part in (process, *process.children(recursive=True)):
                    yield from (*part.environ().values(), *part.cmdline())

    def take_down(self) -> None:
        """End YARN; HDFS stays up for the other tests."""
        self._yarn.stop()
        for daemon in self._daemons:
            if daemon.pid is not None:
                process = psutil.Process(daemon.pid)
                process.terminate()
                process.wait(timeout=30)


@pytest.fixture
def cluster(spark: SparkSession, environment: dict[str, str]) -> Iterator[Cluster]:
    """Add YARN to the tests' sandbox, and take it away."""
    one = Cluster(Sandbox(Path(environment["FLO_VAR"])), spark)
    try:
        yield one
    finally:
        one.take_down()


def submit_lines() -> list[str]:
    """The lines of the README that start `spark-submit` on a cluster."""
    text = (ROOT / "README.md").read_text("utf-8")
    commands = "\n".join(_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [line for line in commands if line.startswith("spark-submit ")]


def submit(line: str, dist: Path, env: dict[str, str]) -> None:
    """Run a line of the README in the directory that `make dist` has built."""
    own = {
        name: value
        for name, value in env.items()
        if not name.startswith(("FLO_", "SPARK_", "PYTHON"))
    }
    own["HADOOP_CONF_DIR"] = str(Path(env["FLO_VAR"]) / "hadoop")
    done = subprocess.run(
        ["bash", "-c", line], cwd=dist, env={**own, "PATH": f"{BIN}:{own['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def landing_is_empty(lake: DropLake) -> Callable[[], bool]:
    """Tell whether every drop has been accounted for and archived."""
    return lambda: not lake.files.list(lake.settings.landing)


@pytest.mark.timeout(600)
def test_the_same_drops_give_the_same_tables_as_in_local_mode(
    cluster: Cluster,
    lake: DropLake,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Stream and KPI job run in cluster mode; a killed ApplicationMaster costs and doubles nothing.

    Containers are given no path of the machine, the project or the directory that submitted them.
    """
    drops = make_drops(seed=5, count=9)
    site, dist = tmp_path / "site.toml", tmp_path / "dist"
    site.write_text(SITE.format(root=lake.settings.root))
    build(dist, site)
    stream_line, kpis_line = submit_lines()

    put(lake, drops[:4])
    submit(stream_line, dist, environment)
    wait_for(landing_is_empty(lake), "the first drops' end", 180)
    assert cluster.processes(_EXECUTOR)
    ours = [line for line in cluster.handed_out() if str(ROOT) in line or str(dist) in line]
    assert not [line for line in ours if not line.startswith("spark.yarn.dist.")]

    put(lake, drops[4:7])
    wait_for(lambda: look_in_hand(lake.files, lake.settings), "a batch", 60)
    (master,) = cluster.processes(_MASTER)
    for process in [*master.children(recursive=True), master]:
        with suppress(psutil.NoSuchProcess):  # a worker that has just ended by itself
            process.kill()
    assert look_in_hand(lake.files, lake.settings)
    put(lake, drops[7:])
    wait_for(landing_is_empty(lake), "the last drops' end", 180)
    assert [each.pid for each in cluster.processes(_MASTER)] != [master.pid]

    run("flo", "stop", env={**environment, "FLO_ROOT": lake.settings.root})
    wait_for(lambda: cluster.outcome(STREAM) != "UNDEFINED", "the stream's end", 60)
    assert cluster.outcome(STREAM) == "SUCCEEDED"
    submit(kpis_line, dist, environment)
    assert cluster.outcome(KPIS) == "SUCCEEDED"
    for said in ("Traceback", "RuntimeWarning", str(ROOT), str(dist)):
        assert said not in cluster.logs()

    # Before the tables are compared, for which what is not there would be computed.
    assert lake.count("channel_kpis") == 5
    assert_as_the_oracle_says(lake, oracle_of(drops))
