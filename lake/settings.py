"""The settings: one frozen object from a TOML file, with FLO_ variables over it."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lake.errors import ConfigError

PROJECT = Path(__file__).resolve().parent.parent
CONF = PROJECT / "conf"
# The same as spark.redaction.regex in conf/spark-defaults.conf.
_SECRET = re.compile(r"(?i)secret|password|passwd|token|access[.]?key|credential")


class Settings(BaseSettings):
    """Everything that differs between two installations.

    A value comes from the environment (``FLO_ROOT=/flo2``), else from the settings file
    (``--conf``), else from the defaults below.
    """

    model_config = SettingsConfigDict(env_prefix="FLO_", frozen=True, extra="forbid")

    root: str = Field("/flo", description="directory in HDFS that holds everything")
    fs: str = Field("", description="file system URI; empty: the Hadoop configuration's own")
    reader: str = Field("flo-reader", description="HDFS user that may only read the tables")
    users: Path | None = Field(None, description="file of those who may ask flo serve")
    var: Path = Field(PROJECT / "var", description="local data of the sandbox and spool space")
    hadoop_conf_dir: Path | None = Field(None, description="Hadoop client configuration")
    contract: Path = Field(CONF / "contracts" / "flo.toml", description="the data contract")
    master: str = Field("local[*]", description="Spark master; read by flo's own sessions")
    spark: dict[str, str] = Field(default_factory=dict, description="more Spark settings")
    trigger_seconds: float = Field(0.5, ge=0, description="how often new files are looked for")
    max_files_per_batch: int = Field(200, ge=1, description="most drops in one batch")
    poll_seconds: float = Field(0.5, gt=0, description="how often a stop request is looked for")
    sweep_seconds: float = Field(5.0, gt=0, description="how often landing is gone through anyway")
    settle_minutes: float = Field(10.0, ge=0, description="how long what is no drop may still grow")
    retry_seconds: float = Field(300.0, ge=0, description="how long transient trouble is retried")
    max_line_bytes: int = Field(16 * 2**20, ge=1024, description="longest record of a drop")
    features_writer: Literal["deletion_vectors", "merge"] = Field(
        "deletion_vectors", description="how a batch's commit replaces rows of the features"
    )
    log_format: Literal["human", "json"] = Field("human", description="how the log is written")
    # On this machine alone unless told otherwise: whoever reaches it may read it.
    metrics_address: str = Field("127.0.0.1", description="where metrics are served; empty: not")
    metrics_port: int = Field(9356, ge=0, le=65535, description="their port; 0: any free one")
    # Not below a week: a query or a write that still runs may need files that were replaced since.
    keep_days: int = Field(30, ge=7, description="how long earlier versions can be asked for")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which arrives as init arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @classmethod
    def load(cls, conf: Path | None = None) -> Self:
        """Read the settings file (default ``conf/local.toml``) and the environment.

        Raises:
            ConfigError: the file is missing or is not TOML, or a setting is unknown or wrong.
        """
        path = conf or Path(os.environ.get("FLO_CONF") or CONF / "local.toml")
        values = _read_toml(path)
        base = path.resolve().parent
        for name in ("users", "var", "hadoop_conf_dir", "contract"):
            if values.get(name):
                values[name] = base / values[name]
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError(_explain(path, values, error)) from None
        except SettingsError:  # its text would show the value, which may hold a secret
            raise ConfigError(
                "The variable FLO_SPARK is not a JSON object of texts; "
                'write it like {"spark.driver.memory": "2g"}.'
            ) from None

    @cached_property
    def landing(self) -> str:
        """Directory that the stream watches."""
        return self.path("landing")

    @cached_property
    def archive(self) -> str:
        """Directory where accounted-for files go."""
        return self.path("archive")

    @cached_property
    def checkpoints(self) -> str:
        """Directory of the stream's checkpoint, lock and stop marker."""
        return self.path("checkpoints")

    @cached_property
    def tables(self) -> str:
        """Directory that holds one Delta table per sub-directory."""
        return self.path("tables")

    @cached_property
    def shown_spark(self) -> dict[str, str]:
        """The further Spark settings as they may be shown: what names a secret has no value."""
        return {
            key: "*** (redacted)" if is_secret(key) else value
            for key, value in sorted(self.spark.items())
        }

    def path(self, *parts: str) -> str:
        """Join parts below the root: ``path("tables", "drops")`` is ``<fs>/flo/tables/drops``."""
        return "/".join([f"{self.fs.rstrip('/')}/{self.root.strip('/')}", *parts])

    @cached_property
    def resolved_hadoop_conf_dir(self) -> Path | None:
        """The Hadoop configuration to use: the environment's, the settings', the sandbox's.

        Raises:
            ConfigError: the environment or the settings name what is no directory; the sandbox
                is never taken in the place of a cluster that somebody meant.
        """
        by, named = "the setting 'hadoop_conf_dir'", self.hadoop_conf_dir
        if variable := os.environ.get("HADOOP_CONF_DIR"):
            by, named = "HADOOP_CONF_DIR", Path(variable)
        if named is None:
            sandbox = self.var / "hadoop"
            return sandbox if sandbox.is_dir() else None
        if not named.is_dir():
            raise ConfigError(
                f"There is no directory {named}, which {by} names; correct the path, or remove it "
                "to use the sandbox."
            )
        return named


def is_secret(name: str) -> bool:
    """Tell whether a Spark setting of this name holds what must not be shown."""
    return bool(_SECRET.search(name))


def spark_default(name: str) -> str:
    """Read a setting from Spark's own defaults; empty where there is none."""
    file = Path(os.environ.get("SPARK_CONF_DIR") or CONF) / "spark-defaults.conf"
    try:
        return read_properties(file).get(name, "")
    except OSError:
        return ""


def read_properties(path: Path) -> dict[str, str]:
    """Read a properties file of Spark's: a name, blanks, and a value on each line.

    Raises:
        OSError: it cannot be read.
    """
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return {key: value.strip() for key, _, value in pairs}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"The settings file {path} does not exist; name another with --conf."
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The settings file {path} cannot be read ({error.strerror}); check its permissions."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not valid TOML: {error}.") from None


def _explain(path: Path, values: dict[str, Any], error: ValidationError) -> str:
    """Say the first thing that is wrong, by name, without showing a value."""
    first = error.errors()[0]
    section, *keys = map(str, first["loc"])
    if first["type"] == "extra_forbidden":
        return f"The settings file {path} has an unknown setting '{section}'; remove or correct it."
    if not keys:
        where = f"{path} (or the variable FLO_{section.upper()})"
        return f"The setting '{section}' in {where} is wrong: {first['msg']}."
    return _explain_spark(path, values.get(section), keys[0], first["input"])


def _explain_spark(path: Path, in_file: Any, key: str, value: Any) -> str:
    """Say what is wrong with one of the further Spark settings, by the name that was typed."""
    is_in_file = isinstance(in_file, dict) and key in in_file and in_file[key] == value
    where = f"under [spark] in {path}" if is_in_file else "in the variable FLO_SPARK"
    if not isinstance(value, dict):
        return f"The setting '{key}' {where} is no text; put its value in quotes."
    # In TOML the dots of a name without quotes make a table in a table.
    while isinstance(value, dict) and value:
        inner, value = next(iter(value.items()))
        key = f"{key}.{inner}"
    return f"The setting '{key}' {where} is not one name with one text; put the name in quotes."
