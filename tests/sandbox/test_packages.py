"""What is installed is what is pinned, whatever uv fetches it from; what stops it is a sentence."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from venv import EnvBuilder
from zipfile import ZipFile

import pytest

from sandbox import bootstrap, packages
from sandbox.errors import SandboxError
from tests.processes import ROOT

LOCKS = [bootstrap.UV_LOCK, bootstrap.LOCK, bootstrap.DEV_LOCK]
RUNS = ("flo", "batch", "streaming", "checkpoints", "lake", "sandbox", "samples", "bench")
# What is wanted without an import: Python's time zones, and what builds.
NOT_IMPORTED = {"tzdata", "setuptools"}
# No package of ours has them: each contender of a benchmark has an environment of its own.
ELSEWHERE = {"duckdb"}
VENV = Path(sys.prefix)
WHEEL = "tool-1.0-py3-none-any.whl"
ABOUT = {
    "METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


def normal(name: str) -> str:
    """Write a package's name as a lock does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: Path) -> dict[str, str]:
    """Read what a lock pins: each package with its version and where that holds."""
    return dict(re.findall(r"^([\w.-]+)==(\S+(?: ; [^\\\n]+)?)", lock.read_text("utf-8"), re.M))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_is_whole(lock: Path) -> None:
    """Every package has its hashes and its version; no host is named."""
    text = lock.read_text("utf-8")
    entries = re.findall(r"^\S.*(?:\n[ \t]+.*)*", text, re.M)
    assert entries
    assert all(re.match(r"[\w.-]+==\S+", each) and "--hash=sha256:" in each for each in entries)
    assert "://" not in text


def test_what_is_in_both_locks_has_one_version() -> None:
    """To set up for development changes no package of those that run."""
    runs, dev = pins(bootstrap.LOCK), pins(bootstrap.DEV_LOCK)
    both = runs.keys() & dev.keys()
    assert {"numpy", "rich"} <= both
    assert {name: runs[name].split()[0] for name in both} == {
        name: dev[name].split()[0] for name in both
    }


def imported(*folders: str) -> Iterator[str]:
    """Name what the modules of our packages import from elsewhere."""
    ours = {*RUNS, "__future__", *sys.stdlib_module_names}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            yield from {name.partition(".")[0] for name in names} - ours


def test_what_runs_needs_only_what_is_pinned_for_it() -> None:
    """`make demo` needs nothing of requirements-dev.lock, and nothing is pinned for no use."""
    owners = importlib.metadata.packages_distributions()
    used = {normal(owners[name][0]) for name in {*imported(*RUNS)} - ELSEWHERE}
    assert used <= pins(bootstrap.LOCK).keys()
    lines = (ROOT / "requirements.in").read_text("utf-8").splitlines()
    wanted = {re.split("[=<>]", line)[0] for line in lines if not line.startswith("#")}
    assert wanted <= used | NOT_IMPORTED


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have an empty environment, one package in a directory, and no settings of this machine.

    At the port of the registry nothing listens.
    """
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with ZipFile(tmp_path / WHEEL, "w") as wheel:
        wheel.writestr("tool.py", "")
        for name, text in ABOUT.items():
            wheel.writestr(f"tool-1.0.dist-info/{name}", text)
    EnvBuilder(symlinks=True).create(tmp_path / "venv")
    return tmp_path / "venv"


def write_lock(folder: Path, digest: str) -> Path:
    """Pin the package."""
    lock = folder / "tool.lock"
    lock.write_text(f"tool==1.0 --hash=sha256:{digest}\n")
    return lock


def is_there(venv: Path) -> bool:
    """Tell whether the package is in an environment."""
    return any(venv.rglob("tool.py"))


def test_what_pip_is_told_holds_for_uv(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package comes from where pip would take it; nothing of it is left beside or in a home."""
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{venv.parent}  {venv.parent}/not-there")
    digest = hashlib.sha256((venv.parent / WHEEL).read_bytes()).hexdigest()
    lock = write_lock(venv.parent, digest)
    packages.install_locked(VENV, lock, bootstrap.LOCK, venv=venv)
    packages.forget_fetched(venv)
    assert is_there(venv)
    assert {path.name for path in venv.parent.iterdir()} == {"venv", lock.name, WHEEL}
    assert not (venv / "fetched").exists()


def test_a_package_that_is_another_one_is_refused(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong hash is named as such, whatever uv's user has said of hashes."""
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    monkeypatch.setenv("PIP_FIND_LINKS", str(venv.parent))
    monkeypatch.setenv("UV_NO_VERIFY_HASHES", "1")
    with pytest.raises(SandboxError, match="SHA-256 differs") as caught:
        packages.install_locked(VENV, write_lock(venv.parent, "0" * 64), bootstrap.LOCK, venv=venv)
    assert caught.value.exit_code == 2
    assert not is_there(venv)


@pytest.mark.parametrize("offline", [False, True])
def test_a_registry_that_is_not_there_is_named(
    venv: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    """No answer, and an answer without the package, are for the network to mend."""
    if offline:
        monkeypatch.setenv("PIP_NO_INDEX", "true")
    with pytest.raises(SandboxError, match="registry of packages was not reached") as caught:
        packages.install_locked(VENV, write_lock(venv.parent, "0" * 64), bootstrap.LOCK, venv=venv)
    assert caught.value.exit_code == 3


def test_pips_settings_are_told_in_uvs_words(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and variables count as they do for `pip install`."""
    file = venv.parent / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one.invalid/simple\ncert = /site/all.pem\nproxy = http://p:1\n"
        "trusted-host =\n  a.invalid\n  b.invalid\n[install]\nindex-url = https://two.invalid/simple\n"
        "[download]\nindex-url = https://three.invalid/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://x.invalid  https://y.invalid")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "180")
    told = dict(packages._as_pip_is_told(packages._pip_settings(VENV)))
    assert told == {
        "UV_DEFAULT_INDEX": "https://two.invalid/simple",
        "UV_INDEX": "https://x.invalid https://y.invalid",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "a.invalid b.invalid",
        "UV_HTTP_TIMEOUT": "180",
        "SSL_CERT_FILE": "/site/all.pem",
        "ALL_PROXY": "http://p:1",
    }


@pytest.mark.parametrize(
    ("output", "said", "code"),
    [
        ("WARNING: Retrying ... NewConnectionError", "The registry of packages was not reached", 3),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "SHA-256 differs", 2),
        ("OSError: [Errno 28] No space left on device", "is full", 2),
        ("boo\nERROR: Package 'x' requires a different Python: 3.10", "requires a different", 2),
        # What uv printed on a disk of 8 MB, from a registry that broke off, and of a broken build.
        (
            "error: Failed to download `pyarrow==26.0.1`\n  cause: Failed to extract archive: x\n"
            "  cause: failed to write to file `x`: No space left on device (os error 28)",
            "is full",
            2,
        ),
        (
            "error: Request failed after 1 retry in 1.9s\n  cause: Failed to fetch: http://x/\n"
            "  cause: HTTP status server error (503 Service Unavailable) for url (http://x/)",
            "The registry of packages was not reached",
            3,
        ),
        (
            "error: Failed to build `x==1`\n  cause: The build backend returned an error",
            "error: Failed to build `x==1`: The build backend returned an error",
            2,
        ),
    ],
)
def test_why_it_failed(output: str, said: str, code: int) -> None:
    """What pip and uv print by the page is told in a sentence."""
    error = packages.why_it_failed(output, Path("venv"), Path("log"))
    assert said in str(error)
    assert "\n" not in str(error)
    assert error.exit_code == code


def test_a_half_done_set_up_goes_on_where_it_broke_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done is not done again; what was being done is."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "STATE", tmp_path / "state.json")
    (tmp_path / "bin").mkdir()
    done: list[str] = []

    def install(name: str, path: Path) -> None:
        (tmp_path / "bin" / "python").touch()
        if name == "dev" and "dev" not in done:
            done.append(name)
            raise KeyboardInterrupt
        done.append(name)

    monkeypatch.setattr(bootstrap, "_install", install)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.set_up_packages(dev=True)
    assert done == ["uv", "runs", "dev"]
    bootstrap.set_up_packages(dev=True)
    (tmp_path / "bin" / "flo").touch()
    bootstrap.set_up_packages(dev=True)
    assert done == ["uv", "runs", "dev", "dev", "flo"]
    assert not bootstrap.packages_due(dev=True)
