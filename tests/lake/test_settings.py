"""Settings that are wrong are told in a sentence; what is secret is shown to nobody."""

from __future__ import annotations

import pytest

from lake.errors import ConfigError
from lake.session import spark_submit
from lake.settings import Settings


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


def test_a_secret_is_not_on_the_command_line() -> None:
    """spark-submit gets every setting but those that every user of the machine would then read."""
    settings = Settings(
        spark={"spark.driver.memory": "2g", "spark.hadoop.fs.some.access.key": "hunter2"}
    )
    command = " ".join(spark_submit(settings))
    assert "--conf=spark.driver.memory=2g" in command
    assert "hunter2" not in command
    assert "access.key" not in command
