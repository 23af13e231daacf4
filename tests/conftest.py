"""What the tests share: one sandbox, one Spark session, and lakes of their own in its HDFS."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis

from lake.session import QUICK_START
from lake.settings import Settings, spark_default

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.faults.world import World
    from tests.lakes import DropLake

# What it finds is shown where a test fails.
pytest.register_assert_rewrite("tests.expected")

# How long an example takes says nothing of the rule: the machine may be busy.
hypothesis.register_profile("flo", deadline=None)
hypothesis.load_profile("flo")

REAL = Path(os.environ.get("FLO_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the sandbox or the session, which `make check` leaves out.

    Files with the longest tests come first: near the end, two workers share what is short.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        if isinstance(item, pytest.Function) and "environment" in item.fixturenames:
            item.add_marker(pytest.mark.spark)
        marked = [item.get_closest_marker(name) for name in ("integration", "spark")]
        rank = next((at for at, found in enumerate(marked) if found), len(marked))
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start an HDFS of the tests' own, and point this process and its children at it."""
    from sandbox import Sandbox

    var = tmp_path_factory.mktemp("sandbox") / "var"
    with ExitStack() as undo, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("FLO_", "SPARK_"))]:
            patch.delenv(name)
        patch.delenv("HADOOP_CONF_DIR", raising=False)
        patch.setenv("FLO_VAR", str(var))
        # Many short programs: what Java would compile is hardly used again.
        patch.setenv("SPARK_SUBMIT_OPTS", QUICK_START)
        # As `. .venv/bin/activate` does: Spark's own scripts look for their Python there.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        sandbox = Sandbox(var)
        undo.callback(sandbox.wipe)
        sandbox.up()
        yield dict(os.environ)


@pytest.fixture(scope="session")
def spark(environment: dict[str, str]) -> Iterator[SparkSession]:
    """Open the one Spark session of a test run."""
    from lake.session import build_session

    small = {
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        # Each lake of a test is eight tables. Delta keeps what it knows of a table for an hour, a
        # megabyte or two each: over a whole run, more than there is memory.
        "spark.databricks.delta.delta.log.cacheSize": "40",
        "spark.databricks.delta.snapshotPartitions": "1",
        # Where Delta reads a log, the code of a projection is written anew for each task. (Whole
        # stages are compiled as they are in a stream.) 24 drops into 12 lakes, one after the other:
        # 276 s of a processor, and 249 s with these two lines.
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # Half of a young session's time is Java compiling: have it do so only for what is called
        # four times as often. 234 s, and 277 s to wait in place of 316 s.
        "spark.driver.defaultJavaOptions": (
            f"{spark_default('spark.driver.defaultJavaOptions')} -XX:CompileThresholdScaling=4"
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        # It runs for long and does the same again and again: Java had better compile all it can.
        patch.delenv("SPARK_SUBMIT_OPTS")
        session = build_session(Settings(master="local[2]", spark=small), "flo-tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def new_lake(spark: SparkSession) -> Callable[..., DropLake]:
    """Make lakes: directories and empty tables under a root of their own in HDFS."""
    from tests.lakes import DropLake

    template: list[DropLake] = []

    def make(**settings: Any) -> DropLake:
        if not template:
            template.append(DropLake(spark, Settings(root="/tests/template", retry_seconds=5)))
            template[0].initialise()
            template[0].fence()  # four commits that no lake has to make for itself
        return template[0].copy(**settings)

    return make


@pytest.fixture
def lake(new_lake: Callable[[], DropLake]) -> DropLake:
    """Make an empty lake for one test."""
    return new_lake()


@pytest.fixture(scope="session")
def flo100k(new_lake: Callable[[], DropLake], tmp_path_factory: pytest.TempPathFactory) -> DropLake:
    """Take in the file with the published figures and compute its KPIs; only to be read."""
    from batch.kpis_job import compute_kpis
    from samples import write_flo100k

    lake = new_lake()
    [path] = write_flo100k(tmp_path_factory.mktemp("flo100k"))
    lake.put(path.name, path.read_bytes())
    [account] = lake.take()
    assert (account["state"], account["rows_inserted"]) == ("ingested", 100_000)
    compute_kpis(lake.spark, lake.settings)
    return lake


@pytest.fixture(scope="session")
def worlds(
    spark: SparkSession,
    new_lake: Callable[[], DropLake],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Start an HDFS that tests may harm."""
    from tests.faults.world import World

    world = World(spark, tmp_path_factory.mktemp("world") / "var", new_lake())
    yield world
    world.sandbox.wipe()


@pytest.fixture
def world(worlds: World) -> Iterator[World]:
    """Have an HDFS that may be harmed; for the time of a test it is the one of this process."""
    worlds.up()
    with worlds.at_hand():
        yield worlds


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Find the directory with the real files, which are not the project's to carry."""
    if not (REAL / "flo_data_20k_v2.csv").is_file():
        pytest.skip("no real data here")
    return REAL
