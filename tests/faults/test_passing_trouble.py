"""Trouble that passes is waited for: the stream goes on by itself, and the tables show nothing."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.expected import assert_taken_in
from tests.faults.drops import make_drops
from tests.faults.running import IDLE_SECONDS
from tests.faults.world import World, put
from tests.lakes import DropLake
from tests.processes import Stream, wait_for

pytestmark = pytest.mark.integration

DROPS = make_drops(seed=5, count=8)
SECRET = "hunter2-in-the-clear"
# So that a NameNode that is away for two seconds is noticed, and not waited for by Hadoop itself.
SPARK = {
    "spark.hadoop.ipc.client.connect.max.retries": "4",
    "spark.hadoop.fs.s3a.secret.key": SECRET,
    "spark.ui.enabled": "false",
}


def begin_a_batch(lake: DropLake, number: int) -> None:
    """Put two drops into landing, and wait until they are in the stream's hand."""
    put(lake, DROPS[2 * number : 2 * number + 2])
    staging = lake.settings.path("checkpoints", "staging")
    wait_for(lambda: list(lake.files.walk(staging)), "a batch in hand", 60)


def test_the_stream_outlives_its_daemons(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    """One process goes on through a killed NameNode, safe mode and a killed DataNode.

    Each comes with a batch in hand. It is told in one line, without a trace and without a secret,
    and is tried again; the tables are those of a stream that met none of it.
    """
    lake = world.lake()
    env = {
        **environment,
        # The tests' sandbox is what Hadoop is configured for; this setting wins.
        "FLO_FS": world.fs,
        "FLO_ROOT": lake.settings.root,
        "FLO_SPARK": json.dumps(SPARK),
    }
    stream = Stream(tmp_path / "stream.log", env=env)
    try:
        put(lake, DROPS[:2])
        stream.wait_for("event=drop", count=2)

        begin_a_batch(lake, 1)
        world.kill("namenode")
        stream.wait_for("event=retrying")
        world.up()
        stream.wait_for("event=drop", count=4)

        tries = stream.text().count("event=retrying")
        put(lake, DROPS[4:6])
        with world.safe_mode():
            stream.wait_for("event=retrying", count=tries + 1)
        stream.wait_for("event=drop", count=6)

        tries = stream.text().count("event=retrying")
        begin_a_batch(lake, 3)
        world.kill("datanode")
        stream.wait_for("event=retrying", count=tries + 1)
        world.up()
        stream.wait_for("event=drop", count=8)

        asked = time.monotonic()
        stream.process.send_signal(signal.SIGTERM)
        assert stream.end() == 0
        assert time.monotonic() - asked < IDLE_SECONDS
    finally:
        stream.close()
    said = stream.text()
    assert "SafeModeException" in said
    assert "Traceback" not in said
    assert "\tat " not in said
    assert SECRET not in said
    assert_taken_in(lake, DROPS)
