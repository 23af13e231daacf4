"""Who may ask `flo serve`: users of a file, over TLS, and nobody else from another machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lake.initialise import let_read
from tests.lakes import DropLake
from tests.processes import BIN, ROOT, run
from tests.servers import Driver, Server

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


def url(server: Server, env: Mapping[str, str]) -> str:
    """Where the server is, for a client that trusts the certificate."""
    store = json.loads(env["FLO_SPARK"])["spark.hadoop.hive.server2.keystore.path"]
    trust = f";ssl=true;sslTrustStore={store};trustStorePassword={WORD}"
    return f"jdbc:hive2://127.0.0.1:{server.port}/flo{trust}"


def is_let_in(spark: SparkSession, url: str, name: str, password: str) -> bool:
    """Tell whether somebody gets an answer."""
    try:
        driver = Driver(spark, url, name, password)
    except Py4JJavaError:
        return False
    try:
        return driver.ask(QUESTION) == "seen 0"
    finally:
        driver.close()


def test_who_is_in_the_file_is_answered_over_tls(
    spark: SparkSession, env: dict[str, str], server: Server
) -> None:
    """Beeline is answered with the user's password; with another, its driver is told so."""
    login = ("-u", url(server, env), "-n", "ada", "-p", WORD)
    assert "seen 0" in run("beeline", *login, "-e", QUESTION, env=env).stdout
    with pytest.raises(Py4JJavaError, match="Error validating the login"):
        Driver(spark, url(server, env), "ada", "wrong")
    log = server.log.read_text("utf-8")
    assert "in clear" not in log
    assert WORD not in log
    assert not any(WORD in option for option in server.java_options())


def test_nobody_is_answered_without_tls(
    spark: SparkSession, env: dict[str, str], server: Server
) -> None:
    """What a password would go over in clear is not spoken here."""
    assert is_let_in(spark, url(server, env), "ada", WORD)
    assert not is_let_in(spark, url(server, env).partition(";")[0], "ada", WORD)


def test_who_was_taken_out_is_refused_from_then_on(
    spark: SparkSession, env: dict[str, str], server: Server
) -> None:
    """The file is read for each client; the server is not started again."""
    flo_user("bob", "second", env)
    assert is_let_in(spark, url(server, env), "bob", "second")
    run("flo", "user", "bob", "--remove", env=env)
    assert not is_let_in(spark, url(server, env), "bob", "second")


def test_ctrl_c_ends_it_with_130(server: Server) -> None:
    """Nothing is left running then, either."""
    assert server.end(signal.SIGINT) == 130
    assert "Traceback" not in server.log.read_text("utf-8")
