"""Who may ask `flo serve`, before anything is started."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from batch.questions.access import hive_access, java_properties, require_access, set_user
from flo import cli
from flo.failures import explain
from lake.errors import ConfigError
from lake.settings import Settings

HIVE = "spark.hadoop.hive.server2."


def test_other_machines_are_not_answered_without_asking_who_they_are() -> None:
    """The sentence says how: users, LDAP or Kerberos, or this machine alone."""
    for kind in ("", "NONE", "nosasl"):
        settings = Settings(spark={f"{HIVE}authentication": kind} if kind else {})
        with pytest.raises(ConfigError, match=r"0\.0\.0\.0 .*`users`.*LDAP or Kerberos.*127"):
            require_access(settings, "0.0.0.0", is_open=True)
        require_access(settings, "127.0.0.1", is_open=False)


def test_the_command_refuses_it_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with the remedies, and exit code 2."""
    monkeypatch.delenv("FLO_USERS", raising=False)
    monkeypatch.setattr("batch.questions.serving.build_session", lambda *_: pytest.fail("started"))
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0"]
    failed = CliRunner().invoke(cli.app, arguments).exception
    assert failed is not None
    failure = explain(failed)
    assert failure.exit_code == 2
    assert "flo user NAME" in failure.message


@pytest.mark.parametrize("kind", ["LDAP", "KERBEROS", "kerberos", "PAM"])
def test_a_site_may_use_what_it_has(kind: str) -> None:
    """What Hive can ask is accepted, and is told to Hive where Hive looks for it."""
    settings = Settings(
        spark={
            f"{HIVE}authentication": kind,
            f"{HIVE}authentication.ldap.url": "ldap://ldap.example",
            "spark.driver.memory": "1g",
        }
    )
    require_access(settings, "0.0.0.0", is_open=True)
    assert hive_access(settings) == {}
    assert java_properties(settings, {}) == {
        "hive.server2.authentication": kind,
        "hive.server2.authentication.ldap.url": "ldap://ldap.example",
    }


def test_the_file_of_users_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It is made so, it must stay so, and it has to be there."""
    file = tmp_path / "users"
    settings = Settings(users=file)
    with pytest.raises(ConfigError, match=f"{file} cannot be read .*flo user"):
        require_access(settings, "127.0.0.1", is_open=False)
    assert not set_user(file, "ada", "one")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    require_access(settings, "0.0.0.0", is_open=True)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"{file}.*chmod 600"):
        require_access(settings, "127.0.0.1", is_open=False)


def test_a_user_has_one_line_with_a_salted_hash(tmp_path: Path) -> None:
    """A new password takes the old one's place, and equal ones look different."""
    file = tmp_path / "users"
    set_user(file, "ada", "same")
    set_user(file, "bob", "same")
    ada, bob = file.read_text("utf-8").splitlines()
    assert ada.partition(":")[2] != bob.partition(":")[2]
    assert set_user(file, "ada", "other")
    assert [line.partition(":")[0] for line in file.read_text("utf-8").splitlines()] == [
        *("bob", "ada")
    ]
    assert set_user(file, "bob", None)
    assert not set_user(file, "bob", None)
    assert "same" not in file.read_text("utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["users"]


def test_the_command_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no password, no such user, no such name: a sentence and exit code 2."""
    monkeypatch.delenv("FLO_USERS", raising=False)

    def said(*arguments: str, typed: str = "word\n") -> str:
        failed = CliRunner().invoke(cli.app, ["user", *arguments], input=typed).exception
        assert failed is not None
        failure = explain(failed)
        assert failure.exit_code == 2
        return failure.message

    assert "FLO_USERS" in said("ada")
    monkeypatch.setenv("FLO_USERS", str(tmp_path / "users"))
    assert "empty" in said("ada", typed="\n")
    assert "no user ada" in said("ada", "--remove")
    assert "'a:b'" in said("a:b")
    monkeypatch.setenv("FLO_USERS", str(tmp_path / "gone" / "users"))
    assert f"{tmp_path}/gone/users" in said("ada")
