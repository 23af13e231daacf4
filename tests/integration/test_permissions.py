"""Whoever may write into landing may write there, and nowhere else; secrets are in no log."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from batch.standing.advice import advise
from batch.standing.audit import audit_files
from batch.standing.lake import look_at_lake
from batch.standing.places import read_accounts, take_look
from lake.reading import Lake
from lake.settings import CONF, Settings
from lake.spark_tables import SparkTables
from lake.tables import FEATURES, SNAPSHOTS, table_path
from streaming.supervisor import Supervisor
from tests.faults.world import SUPERUSER, World
from tests.lakes import DropLake, csv, is_refused, row

pytestmark = pytest.mark.integration

SECRET_NAMES = (
    "spark.hadoop.fs.s3a.secret.key",
    "spark.hadoop.fs.s3a.access.key",
    "spark.ssl.keyStorePassword",
    "spark.hadoop.javax.jdo.option.ConnectionPassword",
    "spark.my.token",
    "spark.aws.credential",
)


class User:
    """Somebody who talks to HDFS with Hadoop's own client, under a name of their own."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._fs: Any = world.file_system(name)

    def write(self, path: str, text: str, *, overwrite: bool = False) -> None:
        """Write a file."""
        stream = self._fs.create(self._world.path(path), overwrite)
        stream.write(bytearray(text.encode()))
        stream.close()

    def chmod(self, path: str, mode: int) -> None:
        """Set permission bits."""
        self._fs.setPermission(self._world.path(path), self._world.permission(mode))

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Call the client's methods by its own names; a text that begins with / is a path."""

        def call(*arguments: Any) -> Any:
            return getattr(self._fs, method)(
                *(
                    self._world.path(each) if isinstance(each, str) and each[0] == "/" else each
                    for each in arguments
                )
            )

        return call


@pytest.fixture
def lake(world: World) -> DropLake:
    """Make a lake as `flo init` makes it, in an HDFS where its owner is an ordinary user."""
    return world.lake(retry_seconds=5)


def test_a_supplier_writes_into_landing_and_nowhere_else(world: World, lake: DropLake) -> None:
    """Put, rename and delete one's own files in landing: yes. Anything anywhere else: no.

    Nor may one read what came of the drops, or touch the drops of another supplier. What the
    supplier has put is taken in by the stream's user, who is no superuser, and is out of reach
    from then on.
    """
    supplier, rival = User(world, "supplier"), User(world, "rival")
    landing, root = f"{lake.settings.root}/landing", lake.settings.root
    supplier.write(f"{landing}/.mine", csv(row("c1")))
    supplier.rename(f"{landing}/.mine", f"{landing}/mine.csv")
    supplier.write(f"{landing}/mistake.csv", "x")
    assert supplier.delete(f"{landing}/mistake.csv", False)
    supplier.write(f"{landing}/private.csv", csv(row("c2")))
    supplier.chmod(f"{landing}/private.csv", 0o600)
    supplier.mkdirs(f"{landing}/folder")
    supplier.write(f"{landing}/folder/inner.csv", csv(row("c3")))
    supplier.chmod(f"{landing}/folder", 0o700)

    mine = f"{landing}/mine.csv"
    assert is_refused(lambda: rival.delete(mine, False))
    assert is_refused(lambda: rival.rename(mine, f"{landing}/theirs.csv"))
    assert is_refused(lambda: rival.write(mine, "other", overwrite=True))
    assert is_refused(lambda: rival.append(mine))
    assert is_refused(lambda: rival.setTimes(mine, 0, -1))
    assert is_refused(lambda: rival.listStatus(f"{landing}/folder"))

    table = f"{root}/tables/{FEATURES}"
    places = ("", "/tables", "/archive", "/checkpoints", f"/tables/{FEATURES}/_delta_log")
    for place in places:
        assert is_refused(lambda place=place: supplier.write(f"{root}{place}/x", "x")), place
        assert is_refused(lambda place=place: supplier.mkdirs(f"{root}{place}/x")), place
        assert is_refused(lambda place=place: supplier.rename(mine, f"{root}{place}/x")), place
    for place in (*places[1:], f"/tables/{FEATURES}"):
        assert is_refused(lambda place=place: supplier.listStatus(f"{root}{place}")), place
        assert is_refused(lambda place=place: supplier.delete(f"{root}{place}", True)), place
    assert is_refused(lambda: supplier.open(f"{table}/_delta_log/{0:020d}.json"))
    assert is_refused(lambda: supplier.delete(landing, True))
    assert is_refused(lambda: supplier.chmod(landing, 0o777))

    assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    became = {each["path"].rsplit("/", 1)[-1]: each for each in lake.ledger()}
    assert {name: each["state"] for name, each in became.items()} == {
        "mine.csv": "ingested",
        "folder": "rejected",
    }
    assert str(became["folder"]["reason"]).startswith("is_directory")
    assert [each.name for each in lake.files.list(lake.settings.landing)] == ["private.csv"]
    assert is_refused(lambda: supplier.getFileStatus(became["mine.csv"]["archived_path"]))


def run_once(lake: DropLake) -> None:
    """Run a stream on what is in landing, which ends well."""
    assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0


def findings(lake: DropLake) -> dict[str, tuple[str, str]]:
    """What an audit finds, by the file's name: the finding, and what it says."""
    opened = Lake(lake.files, SparkTables(lake.spark, lake.settings))
    look = partial(take_look, lake.files, lake.settings, lambda: read_accounts(opened))
    found = audit_files(look).findings
    return {each.path.rsplit("/", 1)[-1]: (each.finding.value, each.says) for each in found}


def advice(lake: DropLake) -> str:
    """What a status says has to be done."""
    opened = Lake(lake.files, SparkTables(lake.spark, lake.settings))
    return " ".join(map(str, advise(look_at_lake(opened, lake.settings))))


def test_a_file_that_may_not_be_read_waits_and_stops_no_other(world: World, lake: DropLake) -> None:
    """It is named with the user and the right that is lacking, and is taken in when it is there."""
    supplier, path = User(world, "supplier"), f"{lake.settings.root}/landing/private.csv"
    supplier.write(path, csv(row("c1")))
    supplier.chmod(path, 0o600)
    lake.put("other.csv", csv(row("c2")))
    run_once(lake)
    assert [each["path"].rsplit("/", 1)[-1] for each in lake.ledger()] == ["other.csv"]
    finding, says = findings(lake)["private.csv"]
    assert finding == "not_read"
    for told in (says, advice(lake)):
        assert f"AccessControlException at {path} (user {world.user}, READ). Ask its owner" in told
    supplier.chmod(path, 0o644)
    run_once(lake)
    assert [each for (each,) in lake.features("master_id")] == ["c1", "c2"]
    assert (findings(lake), lake.files.list(lake.settings.landing)) == ({}, [])
    assert "AccessControlException" not in advice(lake)


def test_a_file_that_may_not_be_moved_is_taken_in_once(world: World, lake: DropLake) -> None:
    """Landing is another's, with the sticky bit: each file has one account, however many starts."""
    supplier, admin = User(world, "supplier"), User(world, SUPERUSER)
    landing = f"{lake.settings.root}/landing"
    admin.setOwner(landing, SUPERUSER, None)
    supplier.write(f"{landing}/a.csv", csv(row("c1")))
    supplier.write(f"{landing}/empty.csv", "")
    run_once(lake)
    supplier.write(f"{landing}/b.csv", csv(row("c2")))
    run_once(lake)
    run_once(lake)
    states = {each["path"].rsplit("/", 1)[-1]: each["state"] for each in lake.ledger()}
    assert states == {"a.csv": "ingested", "b.csv": "ingested", "empty.csv": "rejected"}
    assert (len(lake.ledger()), lake.count(SNAPSHOTS)) == (3, 2)
    found = findings(lake)
    assert {name: finding for name, (finding, _) in found.items()} == dict.fromkeys(
        states, "not_moved"
    )
    assert f"{landing}/a.csv (user {world.user} owns neither the file nor" in found["a.csv"][1]
    assert "sticky bit" in advice(lake)
    admin.setOwner(landing, world.user, None)
    run_once(lake)
    assert (findings(lake), lake.files.list(lake.settings.landing)) == ({}, [])
    assert len(lake.ledger()) == 3


def test_all_but_landing_belongs_to_the_stream_alone(world: World, lake: DropLake) -> None:
    """Tables, checkpoints and archive are 0750 and the stream's; landing is sticky; so they stay.

    What is below them, a site's umask may open: no other gets that far.
    """
    lake.put("a.csv", csv(row("c1")))
    assert Supervisor(lake.spark, lake.settings, lake.contract, once=True).run() == 0
    modes = {
        lake.settings.path(): 0o755,
        lake.settings.tables: 0o750,
        lake.settings.archive: 0o750,
        lake.settings.checkpoints: 0o750,
        lake.settings.landing: 0o1777,
    }
    found = {path: lake.files.status(path) for path in modes}
    assert {path: info.mode for path, info in found.items() if info} == modes
    own = [*found.values(), lake.files.status(table_path(lake.settings, FEATURES))]
    own += list(lake.files.walk(lake.settings.checkpoints))
    own += list(lake.files.walk(lake.settings.archive))
    assert {info.owner for info in own if info} == {world.user}


def test_a_secret_is_known_by_its_name_to_spark_and_to_us() -> None:
    """What Spark redacts we redact, and the names that matter are among it."""
    lines = (CONF / "spark-defaults.conf").read_text("utf-8").splitlines()
    [pattern] = [line.split(None, 1)[1] for line in lines if line.startswith("spark.redaction")]
    assert all(re.search(pattern, name) for name in SECRET_NAMES)
    settings = Settings(spark=dict.fromkeys((*SECRET_NAMES, "spark.plain"), "hunter2"))
    assert "hunter2" not in {settings.shown_spark[name] for name in SECRET_NAMES}
    assert settings.shown_spark["spark.plain"] == "hunter2"
    assert not re.search(pattern, "spark.plain")
