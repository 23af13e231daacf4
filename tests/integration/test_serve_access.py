"""Who may ask `flo serve`: users of a file, over TLS, and nobody else from another machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.initialise import let_read
from tests.lakes import DropLake, csv, row
from tests.processes import BIN, ROOT, run
from tests.servers import Server

pytestmark = pytest.mark.integration

WORD = "correct-horse"
QUESTION = "SELECT concat('seen ', count(*)) FROM customer_features"


@pytest.fixture(scope="module")
def env(
    spark: SparkSession,
    new_lake: Callable[[], DropLake],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """Make a lake, a file of users with one in it, and a certificate of this test's own."""
    folder = tmp_path_factory.mktemp("access")
    lake = new_lake()
    assert let_read(lake.files, lake.settings)
    lake.put("first.csv", csv(row("first")))
    lake.take()
    settings = {
        "use.SSL": "true",
        "keystore.path": str(make_certificate(folder)),
        "keystore.password": WORD,
    }
    hive = {f"spark.hadoop.hive.server2.{name}": value for name, value in settings.items()}
    made = {
        **environment,
        "FLO_ROOT": lake.settings.root,
        "FLO_USERS": str(folder / "users"),
        "FLO_SPARK": json.dumps(hive),
    }
    flo_user("ada", WORD, made)
    return made


@pytest.fixture(scope="module")
def server(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve it to other machines, too."""
    started = Server(tmp_path_factory.mktemp("server") / "server.log", env, "--host", "0.0.0.0")
    yield started
    started.close()


def make_certificate(folder: Path) -> Path:
    """Make a key and a certificate for this machine with Java's keytool."""
    home = os.environ.get("JAVA_HOME") or (ROOT / ".jars" / "java_home").read_text().strip()
    store = folder / "keys.p12"
    subprocess.run(
        [
            str(Path(home) / "bin" / "keytool"), "-genkeypair", "-alias", "flo", "-keyalg", "EC",
            "-dname", "CN=localhost", "-ext", "SAN=dns:localhost,ip:127.0.0.1",
            "-storetype", "PKCS12", "-keystore", str(store), "-storepass", WORD,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return store


def flo_user(name: str, password: str, env: Mapping[str, str]) -> None:
    """Give a user a password, as a script would."""
    done = subprocess.run(
        [str(BIN / "flo"), "user", name], input=f"{password}\n", text=True, env=dict(env),
        capture_output=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr + Path(env["FLO_USERS"]).read_text("utf-8")


def ask(server: Server, env: Mapping[str, str], name: str, password: str, tls: bool = True) -> str:
    """Ask with beeline, and return all that it said."""
    store = json.loads(env["FLO_SPARK"])["spark.hadoop.hive.server2.keystore.path"]
    url = f"jdbc:hive2://127.0.0.1:{server.port}/flo"
    if tls:
        url += f";ssl=true;sslTrustStore={store};trustStorePassword={WORD}"
    done = run(
        *("beeline", "-u", url, "-n", name, "-p", password, "-e", QUESTION),
        env=env, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_who_is_in_the_file_is_answered_over_tls(env: dict[str, str], server: Server) -> None:
    """A user with his password is answered; with another password, or without TLS, nobody is."""
    assert "seen 1" in ask(server, env, "ada", WORD)
    assert "seen 1" not in ask(server, env, "ada", "wrong")
    assert "seen 1" not in ask(server, env, "ada", WORD, tls=False)
    log = server.log.read_text("utf-8")
    assert "in clear" not in log
    assert WORD not in log
    assert not any(WORD in option for option in server.java_options())


def test_who_was_taken_out_is_refused_from_then_on(env: dict[str, str], server: Server) -> None:
    """The file is read for each client; the server is not started again."""
    flo_user("bob", "second", env)
    assert "seen 1" in ask(server, env, "bob", "second")
    run("flo", "user", "bob", "--remove", env=env)
    assert "seen 1" not in ask(server, env, "bob", "second")
