"""Settings that are wrong are told in a sentence; what is secret is shown to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from pyspark import SparkConf, SparkContext

from lake.errors import ConfigError
from lake.session import build_session, spark_submit
from lake.settings import Settings

WRONG_SPARK = {
    'spark."spark.my.token" = 7431': ("spark.my.token", "put its value in quotes"),
    'spark."spark.my.token" = ["7431"]': ("spark.my.token", "put its value in quotes"),
    'spark.my.token = "7431"': ("my.token", "put the name in quotes"),
    '[spark]\nspark.my.token = "7431"': ("spark.my.token", "put the name in quotes"),
}


@pytest.mark.parametrize(
    "value", ["hunter2", '{"spark.app.password": "hunter2"', '"hunter2"', "[]"]
)
def test_malformed_spark_settings_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """FLO_SPARK that is no JSON object is told by its name; its value may be a secret."""
    monkeypatch.setenv("FLO_SPARK", value)
    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert "FLO_SPARK" in str(caught.value)
    assert "hunter2" not in str(caught.value)


WITH_A_SECRET = {"spark.driver.memory": "2g", "spark.hadoop.fs.some.access.key": "hunter2"}


def test_a_secret_is_not_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """spark-submit gets every setting but those that every user of the machine would then read."""
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "")
    command = " ".join(spark_submit(Settings(spark=WITH_A_SECRET)))
    assert "--conf=spark.driver.memory=2g" in command
    assert "hunter2" not in command
    assert "access.key" not in command


def test_java_is_started_without_the_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor are they on the command line of the Java that a command starts for itself."""

    class StartedError(Exception):
        """Java would run now."""

    def launch(conf: SparkConf) -> NoReturn:
        raise StartedError(dict(conf.getAll()))

    monkeypatch.setattr("pyspark.core.context.launch_gateway", launch)
    for name in ("_gateway", "_jvm", "_active_spark_context"):
        monkeypatch.setattr(SparkContext, name, None)
    settings = Settings(fs="file:///", var=tmp_path, master="local[3]", spark=WITH_A_SECRET)
    with pytest.raises(StartedError) as started:
        build_session(settings, "flo-test")
    told = started.value.args[0]
    assert told.items() >= {"spark.driver.memory": "2g", "spark.master": "local[3]"}.items()
    assert "hunter2" not in told.values()


@pytest.mark.parametrize("text", WRONG_SPARK)
def test_a_wrong_spark_setting_is_named_as_it_was_typed(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sentence names the file, the section and the key, and never shows the value."""
    monkeypatch.setenv("FLO_SPARK", '{"spark.driver.memory": "2g"}')
    name, remedy = WRONG_SPARK[text]
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Settings.load(file)
    told = str(caught.value)
    assert told.startswith(f"The setting '{name}' under [spark] in {file} ")
    assert remedy in told
    assert "7431" not in told


@pytest.mark.parametrize("value", ["7431", "null", '{"a": "7431"}'])
def test_a_wrong_spark_setting_of_the_variable_is_told_from_the_files(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What FLO_SPARK has wrong is not looked for in the file."""
    file = tmp_path / "mine.toml"
    file.write_text('spark."spark.driver.memory" = "2g"', "utf-8")
    monkeypatch.setenv("FLO_SPARK", f'{{"spark.my.token": {value}}}')
    with pytest.raises(ConfigError, match=r"'spark.my.token.* in the variable FLO_SPARK") as caught:
        Settings.load(file)
    assert str(file) not in str(caught.value)
    assert "7431" not in str(caught.value)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be where a sandbox has its configuration, and no other is named."""
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    monkeypatch.setenv("FLO_VAR", str(tmp_path / "var"))
    (tmp_path / "var" / "hadoop").mkdir(parents=True)
    return tmp_path / "var" / "hadoop"


@pytest.mark.parametrize(
    ("variable", "by"),
    [("HADOOP_CONF_DIR", "HADOOP_CONF_DIR"), ("FLO_HADOOP_CONF_DIR", "'hadoop_conf_dir'")],
)
@pytest.mark.usefixtures("sandbox")
def test_a_hadoop_configuration_that_is_not_there_is_not_the_sandboxs(
    variable: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names a cluster and mistypes it is told the path, and does not write elsewhere."""
    monkeypatch.setenv(variable, f"{tmp_path}/gone")
    settings = Settings()
    with pytest.raises(ConfigError, match=f"There is no directory {tmp_path}/gone, which .*{by}"):
        _ = settings.resolved_hadoop_conf_dir


def test_the_environment_wins_over_the_settings_and_these_over_the_sandbox(
    sandbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Hadoop configuration is chosen; where nothing is named there may be none."""
    assert Settings().resolved_hadoop_conf_dir == sandbox
    assert Settings(hadoop_conf_dir=tmp_path).resolved_hadoop_conf_dir == tmp_path
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "var"))
    assert Settings(hadoop_conf_dir=tmp_path / "gone").resolved_hadoop_conf_dir == tmp_path / "var"
    monkeypatch.delenv("HADOOP_CONF_DIR")
    sandbox.rmdir()
    assert Settings().resolved_hadoop_conf_dir is None
