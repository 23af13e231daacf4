"""What `make dist` builds runs on a machine that has Spark and Python, and nothing of this one."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import pyspark
import pytest

from flo.dist import (
    CLUSTER,
    DRIVER,
    PACKAGES,
    SPARK_CONF,
    build,
    main,
    prepare_submission,
)
from flo.stream_commands import stream
from lake.settings import CONF, PROJECT
from tests.processes import ROOT

TEXTS = ("*.conf", "*.toml", "*.properties", "*.py")
SPARK = sorted((Path(pyspark.__file__).parent / "python" / "lib").glob("*.zip"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it once."""
    folder = tmp_path_factory.mktemp("site") / "dist"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def container(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the files out as YARN does for the driver."""
    folder = tmp_path_factory.mktemp("container")
    with ZipFile(dist / "deps.zip") as deps:
        deps.extractall(folder / "deps")
    for path in (dist / "flo.zip", *dist.glob("*_job.py"), *(dist / "conf").iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Unpack Spark's own packages: from a zip, each run of Python compiles them anew."""
    folder = tmp_path_factory.mktemp("spark")
    for each in SPARK:
        with ZipFile(each) as packages:
            packages.extractall(folder)
    return [folder]


def run_python(
    container: Path, *arguments: str, spark: Sequence[Path] = SPARK
) -> subprocess.CompletedProcess[str]:
    """Run Python as the ApplicationMaster does: no site packages, Spark's own and ours."""
    env = {
        "PYTHONPATH": ":".join(map(str, [*spark, container / "flo.zip", container / "deps"])),
        "FLO_CONF": "cluster.toml",
        "FLO_CONTRACT": "contract.toml",
    }
    return subprocess.run(
        [sys.executable, "-S", *arguments], cwd=container, env=env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def spark_conf(dist: Path) -> dict[str, str]:
    """Read what Spark reads."""
    lines = (dist / "conf" / SPARK_CONF).read_text("utf-8").splitlines()
    settings = [line.partition(" ") for line in lines if not line.startswith("#")]
    return {key: value.strip() for key, _, value in settings}


def test_everything_that_is_imported_comes_along(container: Path) -> None:
    """Whatever the jobs' packages import is in the zips, in Spark or in Python itself."""
    imported = set[str]()
    with ZipFile(container / "flo.zip") as packages:
        for name in packages.namelist():
            # No job reads a lake without Java: that is for the command line.
            if not name.startswith(("flo/", "sandbox/", "lake/native_")):
                for node in ast.walk(ast.parse(packages.read(name))):
                    if isinstance(node, ast.Import):
                        imported |= {each.name.partition(".")[0] for each in node.names}
                    elif isinstance(node, ast.ImportFrom) and node.module:
                        imported.add(node.module.partition(".")[0])
    assert {"pyarrow", "delta", "py4j", "streaming"} <= imported
    program = (
        "import sys, importlib.util as u; print([n for n in sys.argv[1:] if not u.find_spec(n)])"
    )
    assert run_python(container, "-c", program, *imported).stdout.strip() == "[]"


@pytest.mark.parametrize("job", ["stream_job.py", "kpis_job.py"])
def test_a_job_runs_as_a_file_by_itself(container: Path, unpacked: list[Path], job: str) -> None:
    """In a container all modules come from the zips; a user's mistake is one sentence."""
    done = run_python(container, job, "--conf", "/nowhere.toml", spark=unpacked)
    assert done.returncode == 2
    assert "/nowhere.toml does not exist" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("job", ["flo/stream_job.py", "batch/kpis_job.py"])
def test_a_job_runs_from_the_source_tree(
    container: Path, unpacked: list[Path], tmp_path: Path, job: str
) -> None:
    """Nothing needs to be installed: the packages are found beside the job's own."""
    (tmp_path / "deps").symlink_to(container / "deps")
    done = run_python(tmp_path, str(ROOT / job), "--conf", "/nowhere.toml", spark=unpacked)
    assert done.returncode == 2
    assert "/nowhere.toml does not exist" in done.stderr


def test_the_jobs_find_their_settings_and_their_contract(container: Path) -> None:
    """In a container neither needs to be named."""
    program = (
        "from lake.settings import Settings; from lake.contract import load_contract\n"
        "settings = Settings.load(); print(settings.master, load_contract(settings.contract).name)"
    )
    found = run_python(container, "-c", program)
    assert found.stdout.split() == ["yarn", "flo"], found.stderr


def test_nothing_names_a_path_of_this_machine(dist: Path) -> None:
    """What is read on a node names files relative to its container, and no home of anybody."""
    texts = {path.name: path.read_text("utf-8") for kind in TEXTS for path in dist.rglob(kind)}
    with ZipFile(dist / "flo.zip") as packages:
        texts |= {name: packages.read(name).decode() for name in packages.namelist()}
    found = [name for name, text in texts.items() if str(PROJECT) in text or sys.prefix in text]
    assert not found
    for name, value in spark_conf(dist).items():
        assert not value.startswith(("/", "file:")), name


def test_every_file_that_spark_is_told_of_is_there(dist: Path) -> None:
    """The properties name the files that are shipped, each once, and no other."""
    conf = spark_conf(dist)
    keys = ("spark.yarn.dist.pyFiles", "spark.archives", "spark.jars", "spark.files")
    named = sorted(name.partition("#")[0] for key in keys for name in conf[key].split(","))
    there = {path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file()}
    assert named == sorted(there - {"stream_job.py", "kpis_job.py", f"conf/{SPARK_CONF}"})


def test_the_clusters_settings_win_over_the_laptops(dist: Path) -> None:
    """Spark reads the laptop's settings with the cluster's over them."""
    laptop = (CONF / "spark-defaults.conf").read_text("utf-8")
    assert re.search(r"^spark\.driver\.memory +3g$", laptop, re.M)
    conf = spark_conf(dist)
    assert conf["spark.driver.memory"] == "2g"
    assert conf["spark.sql.session.timeZone"] == "UTC"


def test_the_clusters_settings_hold_what_differs_and_nothing_else() -> None:
    """A setting that is the laptop's too is not repeated."""
    cluster = tomllib.loads(CLUSTER.read_text("utf-8"))
    laptop = tomllib.loads((CONF / "local.toml").read_text("utf-8"))
    defaults = (CONF / "spark-defaults.conf").read_text("utf-8")
    assert not {key for key, value in cluster.items() if laptop.get(key) == value}
    for key, value in cluster["spark"].items():
        assert not re.search(rf"^{re.escape(key)} +{re.escape(value)}$", defaults, re.M), key


def test_a_sites_own_settings_and_contract_are_shipped(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --conf a site ships its own file, the contract that it names, and its Spark settings.

    It replaces what was built before, and the same packages give the same bytes.
    """
    (tmp_path / "mine.toml").write_text(
        'master = "yarn"\ncontract = "ours.toml"\n[spark]\n"spark.driver.memory" = "9g"\n'
    )
    contract = (CONF / "contracts" / "flo.toml").read_text("utf-8").replace('"flo"', '"ours"', 1)
    (tmp_path / "ours.toml").write_text(contract)
    out = tmp_path / "dist"
    out.mkdir()
    for name in ("flo.zip", "left_over.py"):
        (out / name).write_text("of an earlier build")
    # No setting bears upon what the driver imports, most of what a build has to compress.
    monkeypatch.setattr("flo.dist.DRIVER", ("structlog",))
    assert main(["--conf", str(tmp_path / "mine.toml"), "--out", str(out)]) == 0
    assert (out / "conf" / "contract.toml").read_text() == contract
    assert spark_conf(out)["spark.driver.memory"] == "9g"
    assert not (out / "left_over.py").exists()
    assert (out / "flo.zip").read_bytes() == (dist / "flo.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist", "mine.toml", "ours.toml"]


def test_a_directory_of_somebody_elses_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not built here is never replaced; that is one sentence and exit code 2."""
    (tmp_path / "theirs").write_text("kept")
    assert main(["--out", str(tmp_path)]) == 2
    assert "was not built by `make dist`" in capsys.readouterr().err
    assert (tmp_path / "theirs").read_text() == "kept"


def test_what_is_pinned_is_what_is_shipped(dist: Path) -> None:
    """The driver's packages have the versions of requirements.lock; Spark's own stay behind."""
    lock = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M))
    with ZipFile(dist / "deps.zip") as deps:
        shipped = {name.split("/")[0] for name in deps.namelist() if ".dist-info/" in name}
        assert not [name for name in deps.namelist() if name.startswith(("pyspark", "py4j", ".."))]
    for name in DRIVER:
        assert f"{name.replace('-', '_')}-{lock[name]}.dist-info" in shipped


def test_all_packages_that_run_are_shipped(dist: Path) -> None:
    """`flo.zip` holds the packages whole, and no other."""
    with ZipFile(dist / "flo.zip") as packages:
        assert {name.split("/")[0] for name in packages.namelist()} == set(PACKAGES)


def test_flo_stream_submits_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cluster's settings `flo stream` becomes the README's line, run in `dist/`."""
    text = (ROOT / "README.md").read_text("utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^spark-submit .* stream_job\.py$", text, re.M)
    become: list[list[str]] = []
    here = {name: value for name, value in os.environ.items() if not name.startswith("FLO_")}
    monkeypatch.setattr("os.environ", {**here, "FLO_ROOT": "/other", "FLO_VAR": str(tmp_path)})
    monkeypatch.setattr("os.execv", lambda _, command: become.append(command))
    monkeypatch.setattr("os.dup2", lambda *_: None)
    monkeypatch.setattr("lake.session.require_service", lambda _: None)
    out = tmp_path / "dist"
    monkeypatch.setattr("flo.dist.build", lambda folder, _: folder.mkdir())
    monkeypatch.setattr("flo.dist.prepare_submission", partial(prepare_submission, out=out))
    monkeypatch.chdir(tmp_path)
    stream(cast(Any, None), kpis=True, conf=CLUSTER)
    (command,) = become
    ours = [word for word in command if not word.startswith("--conf=")]
    stays = "--conf spark.yarn.submit.waitAppCompletion=false "
    assert Path(ours[0]).name == "spark-submit"
    assert ours[1:] == [*line.replace(stays, "").split()[1:], "--kpis"]
    environment = [word for word in command if "appMasterEnv" in word]
    assert environment == ["--conf=spark.yarn.appMasterEnv.FLO_ROOT=/other"]
    assert Path.cwd() == out
