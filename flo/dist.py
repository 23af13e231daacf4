"""``make dist``: what is shipped to a cluster, built into one directory.

=========================  ====================================================================
``flo.zip``                the Python packages
``deps.zip``               the packages that they import and that neither Python nor Spark brings
``jars/``                  Delta, and the client of the metastore
``conf/``                  the settings, the contract, the log's settings, and what Spark reads
``*_job.py``               what ``spark-submit`` runs
=========================  ====================================================================

Everything that names another file does so relative to this directory, or to the container that
YARN unpacks it into: a node never sees a path of the machine that submits.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from flo.failures import explain
from flo.output import say
from lake.contract import load_contract
from lake.errors import ConfigError
from lake.settings import CONF, PROJECT, Settings, read_properties
from sandbox.java import find_java
from sandbox.project import jars_dir

CLUSTER = CONF / "cluster.toml"
SPARK_CONF = "spark-cluster.conf"
JOBS = (PROJECT / "flo" / "stream_job.py", PROJECT / "batch" / "kpis_job.py")
# `sandbox` is only imported for its errors, which `flo` explains.
PACKAGES = ("flo", "streaming", "batch", "checkpoints", "lake", "sandbox")
# What is typed only, and needs further packages: drawing the report.
_TYPED = ("batch/report.py", "batch/reporting/")
# What the driver imports; executors run no Python. Each brings what it depends on.
DRIVER = (
    "delta-spark",
    "prometheus-client",
    "psutil",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "structlog",
    "tzdata",
)
_SPARK_BRINGS = {"pyspark", "py4j"}
# What no import reads: scripts, tests, and what other programs are compiled with.
_LEFT_OUT = re.compile(r"^\.\.|(^|/)(__pycache__|tests|include)/|\.(pyi|pxd|pxi|pyx|h)$")
# Variables that name what is on the machine that submits, or that the build has read.
_OF_THIS_MACHINE = {"FLO_CONTRACT", "FLO_HADOOP_CONF_DIR", "FLO_MASTER", "FLO_SPARK", "FLO_VAR"}
# The same content gives the same bytes.
_MADE = (1980, 1, 1, 0, 0, 0)


def main(arguments: list[str] | None = None) -> int:
    """Build the directory; an error is one sentence on standard error and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m flo.dist", description="Build dist/.")
    parser.add_argument("--conf", type=Path, default=CLUSTER, metavar="FILE", help="settings file")
    parser.add_argument("--out", type=Path, default=PROJECT / "dist", metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        build(options.out, options.conf)
    except Exception as error:
        failure = explain(error)
        say(failure.message)
        return failure.exit_code
    say(f"Built {options.out}: see README.md, 'On a cluster', for the lines that run it.")
    return 0


def build(out: Path, conf: Path = CLUSTER) -> None:
    """Build what is shipped, whole or not at all; an earlier build is replaced.

    Args:
        out: the directory to make.
        conf: the cluster's settings file; the contract that it names is shipped, too.

    Raises:
        ConfigError: the settings are wrong, or ``out`` holds something else.
        ContractError: the contract is wrong.
        SandboxError: the jars are not there.
    """
    settings = Settings.load(conf)
    load_contract(settings.contract)
    out = out.absolute()
    if out.exists() and not (out / "flo.zip").is_file():
        raise ConfigError(f"{out} is there and was not built by `make dist`; name another --out.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        draft = Path(scratch) / "new"
        _fill(draft, settings, conf)
        if out.exists():
            out.rename(Path(scratch) / "old")
        draft.rename(out)


def prepare_submission(conf: Path | None, out: Path = PROJECT / "dist") -> list[str]:
    """Build ``dist/`` and go there; return what ``spark-submit`` is told besides the master.

    The driver will know the ``FLO_…`` variables of this process that mean the same everywhere.

    Args:
        conf: the settings file; by default the one that the settings come from by default.
        out: the directory to build.
    """
    build(out, conf or Path(os.environ.get("FLO_CONF") or CONF / "local.toml"))
    os.chdir(out)
    # Spark would hand these paths of this machine, and those in conf/spark-env.sh, to containers.
    os.environ.pop("PYTHONPATH", None)
    os.environ["SPARK_CONF_DIR"] = str(out / "conf")
    os.environ["JAVA_HOME"] = str(find_java())
    known = [f"FLO_{name.upper()}" for name in Settings.model_fields]
    return [
        *("--deploy-mode", "cluster", "--properties-file", f"conf/{SPARK_CONF}"),
        *(
            f"--conf=spark.yarn.appMasterEnv.{name}={os.environ[name]}"
            for name in known
            if name in os.environ and name not in _OF_THIS_MACHINE
        ),
    ]


def _fill(folder: Path, settings: Settings, conf: Path) -> None:
    for part in ("conf", "jars"):
        (folder / part).mkdir(parents=True)
    _write_zip(folder / "flo.zip", dict(_own_files()))
    _write_zip(folder / "deps.zip", dict(_installed_files(DRIVER)))
    jars = sorted(jars_dir("spark").glob("*.jar"))
    for source in (*JOBS, *jars):
        shutil.copyfile(source, folder / ("jars" if source in jars else "") / source.name)
    for source, name in (
        (conf, "cluster.toml"),
        (settings.contract, "contract.toml"),
        (CONF / "log4j2.properties", "log4j2.properties"),
    ):
        shutil.copyfile(source, folder / "conf" / name)
    properties = {
        **read_properties(CONF / "spark-defaults.conf"),
        **settings.spark,
        **_shipped([f"jars/{jar.name}" for jar in jars]),
    }
    file = folder / "conf" / SPARK_CONF
    file.touch(mode=0o600)  # it may hold a secret of the settings
    file.write_text(_to_text(properties), "utf-8")


def _shipped(jars: list[str]) -> dict[str, str]:
    """Return the Spark settings that bring the files along and let the driver find them."""
    # Packages with compiled parts fit one version of Python.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    driver = {
        "FLO_CONF": "cluster.toml",
        "FLO_CONTRACT": "contract.toml",
        "HADOOP_CONF_DIR": "{{PWD}}/__spark_conf__/__hadoop_conf__",
        "PYTHONPATH": "{{PWD}}/deps",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        # Spool space that goes with the container, however that ends.
        "TMPDIR": "{{PWD}}/tmp",
    }
    return {
        # What `--py-files` comes to, less a copy of the submitting machine's path for the driver.
        "spark.yarn.dist.pyFiles": "flo.zip",
        "spark.archives": "deps.zip#deps",
        "spark.jars": ",".join(jars),
        "spark.files": "conf/cluster.toml,conf/contract.toml,conf/log4j2.properties",
        **{f"spark.yarn.appMasterEnv.{name}": value for name, value in driver.items()},
    }


def _own_files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            name = path.relative_to(PROJECT).as_posix()
            if not name.startswith(_TYPED):
                yield name, path


def _installed_files(names: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Walk the files of installed packages and of those that they depend on."""
    due, seen = list(names), set(_SPARK_BRINGS)
    while due:
        if (name := due.pop()) in seen:
            continue
        seen.add(name)
        found = importlib.metadata.distribution(name)
        for file in found.files or ():
            if not _LEFT_OUT.search(file.as_posix()):
                yield file.as_posix(), Path(str(found.locate_file(file)))
        due.extend(_dependencies(found))


def _dependencies(package: importlib.metadata.Distribution) -> Iterator[str]:
    """Name the packages that another one needs here: not its extras, nor what is for elsewhere."""
    for line in package.requires or ():
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower()
        if "extra ==" not in line and any(importlib.metadata.distributions(name=name)):
            yield name


def _write_zip(target: Path, files: Mapping[str, Path]) -> None:
    with ZipFile(target, "w") as archive:
        for name, source in sorted(files.items()):
            entry = ZipInfo(name, _MADE)
            entry.external_attr = 0o644 << 16
            # Compiled code hardly gets smaller with more effort.
            archive.writestr(entry, source.read_bytes(), ZIP_DEFLATED, compresslevel=1)


def _to_text(properties: Mapping[str, str]) -> str:
    width = max(map(len, properties)) + 2
    lines = [f"{key:<{width}}{value}" for key, value in sorted(properties.items())]
    return "\n".join(
        [
            "# Written by `make dist` from spark-defaults.conf and cluster.toml, which say why.",
            "# Files are named relative to the directory above this one: submit from there.",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
