"""Set the project up: its environment and its jars, once, with the standard library only."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox import class_archive, jars
from sandbox.errors import UNREACHABLE, SandboxError
from sandbox.java import find_java, version_of
from sandbox.lock import locked

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
JARS = ROOT / ".jars"
REQUIREMENTS = ROOT / "requirements.lock"
JARS_LOCK = ROOT / "conf" / "jars.lock"
PROJECT = ROOT / "pyproject.toml"
STATE = VENV / "flo-setup.json"
LOG = ROOT / ".venv" / "setup.log"
#: Where conf/spark-env.sh finds the Java that was chosen here.
JAVA_HOME_FILE = JARS / "java_home"
#: PySpark unpacks to 0.5 GB and is built on the way; the rest is about the same again.
ROOM = 2 * 1024**3

_NETWORK = re.compile(
    r"NewConnectionError|Max retries|ConnectTimeout|ReadTimeout|name resolution|ProxyError|"
    r"Connection (?:refused|reset|aborted)|Network is unreachable|No matching distribution",
    re.I,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the set-up, and print one clear sentence when it cannot be done."""
    options = argparse.ArgumentParser(prog="make setup", description=__doc__)
    options.add_argument("--lock-jars", action="store_true", help="write new checksums")
    chosen = options.parse_args(arguments)
    try:
        with locked(ROOT / ".setup.lock", patience=1800, holder="make setup"):
            set_up(lock_jars=chosen.lock_jars)
    except SandboxError as error:
        print(f"setup: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"setup: {_said(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("setup: interrupted; run `make setup` again to go on.", file=sys.stderr)
        return 130
    return 0


def _said(error: OSError) -> str:
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"{what}; mend that (free disk, permissions), then run `make setup` again."


def set_up(lock_jars: bool = False) -> None:
    """Do what is not done yet, saying each step in a line."""
    java = find_java()
    todo = packages_due(), project_due()
    pinned = jars.read_lock(JARS_LOCK)
    due = jars.missing(pinned, JARS)
    if any(todo) or due:
        require_room()
    if todo[0]:
        install_packages()
    if todo[1]:
        install_project()
    if lock_jars:
        say("asking the registry for the checksums of the jars")
        jars.relock(JARS_LOCK, JARS / "ivy", java, ivy_jar())
        pinned = jars.read_lock(JARS_LOCK)
        due = jars.missing(pinned, JARS)
    if due:
        say(f"bringing jars to {JARS.name}/ ({len(due)}) and checking their SHA-256")
        JARS.mkdir(exist_ok=True)
        jars.install(pinned, JARS_LOCK, JARS, java, ivy_jar())
    remember_java(java)
    make_class_archive(java)
    python = ".".join(map(str, sys.version_info[:3]))
    say(f"ready (Python {python}, Java {version_of(java)} in {java})")


def say(line: str) -> None:
    """Tell the user what is being done."""
    print(f"setup: {line}", flush=True)


def require_room() -> None:
    """Refuse to begin what the disk cannot hold."""
    for place in (ROOT, Path(tempfile.gettempdir())):
        free = shutil.disk_usage(place).free
        if free < ROOM:
            raise SandboxError(
                f"The disk of {place} has {free // 2**20} MB left and the set-up needs "
                f"{ROOM // 2**20} MB: free some (or point TMPDIR at another disk)."
            )


def fingerprint(path: Path) -> str:
    """Return what changes when the file does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _state() -> dict[str, str]:
    try:
        state = json.loads(STATE.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    # An environment does not survive being moved, nor does it change its Python.
    usable = isinstance(state, dict) and state.get("root") == str(ROOT)
    return state if usable and (VENV / "bin" / "python").exists() else {}


def _note(**facts: str) -> None:
    draft = STATE.with_suffix(".new")
    draft.write_text(json.dumps({**_state(), "root": str(ROOT), **facts}, indent=2), "utf-8")
    draft.replace(STATE)


def packages_due() -> bool:
    """Tell whether the environment is other than requirements.lock says."""
    return _state().get("requirements") != fingerprint(REQUIREMENTS)


def project_due() -> bool:
    """Tell whether `flo` is not in the environment as pyproject.toml says."""
    there = (VENV / "bin" / "flo").exists()
    return packages_due() or not there or _state().get("project") != fingerprint(PROJECT)


def install_packages() -> None:
    """Make `.venv` and install every package of requirements.lock, hashes checked."""
    if not _state():
        say(f"making {VENV.name}/ with Python {sys.version_info.major}.{sys.version_info.minor}")
        make_environment()
    say("installing the pinned packages of requirements.lock (PySpark is large: some minutes)")
    with tempfile.TemporaryDirectory() as scratch:
        # Packages that come as source are built with the pinned setuptools, not with one that
        # pip would fetch for itself, unchecked.
        builder = Path(scratch) / "builder.txt"
        builder.write_text(lock_entry(REQUIREMENTS.read_text("utf-8"), "setuptools"), "utf-8")
        pip("--require-hashes", "--only-binary", ":all:", "-r", str(builder))
    pip("--require-hashes", "--no-build-isolation", "--use-pep517", "-r", str(REQUIREMENTS))
    _note(requirements=fingerprint(REQUIREMENTS))


def lock_entry(lock: str, package: str) -> str:
    """Return one package's lines of a lock."""
    found = re.search(rf"^{package}==.*(?:\n[ \t]+--hash=.*)*", lock, re.M)
    if found is None:
        raise SandboxError(f"requirements.lock does not name {package}: run `make lock`.")
    return found[0].rstrip(" \\\n") + "\n"


def make_environment() -> None:
    """Make an empty environment in the place of whatever is there."""
    run = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode != 0:
        raise SandboxError(
            f"{sys.executable} could not make {VENV}: install its venv module (on Debian the "
            "package python3-venv), or name another Python with `make setup PYTHON=...`."
        )


def install_project() -> None:
    """Put the project itself into the environment: no network, no build elsewhere."""
    say("putting flo into .venv/")
    pip("--no-deps", "--no-build-isolation", "--use-pep517", "-e", str(ROOT))
    _note(project=fingerprint(PROJECT))


def pip(*arguments: str) -> None:
    """Run the environment's pip, and say in a sentence what stopped it."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_RETRIES": "2"}
    run = subprocess.run(
        [str(VENV / "bin" / "python"), "-m", "pip", "install", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**quiet, **os.environ}, cwd=ROOT,
    )  # fmt: skip
    if run.returncode != 0:
        LOG.write_text(run.stdout + run.stderr, "utf-8")
        raise why_pip_failed(run.stdout + run.stderr)


def why_pip_failed(output: str) -> SandboxError:
    """Return the error for what pip printed."""
    again = "then run `make setup` again."
    if re.search(r"No space left|Disk quota", output):
        return SandboxError(f"The disk of {VENV} is full: free some, {again}")
    if "DO NOT MATCH THE HASHES" in output:
        return SandboxError(
            "A package is not the one that requirements.lock names (its SHA-256 differs): nothing "
            "of it was installed; try again, and if it stays so, do not trust that registry."
        )
    if _NETWORK.search(output):
        return SandboxError(
            f"The registry of packages was not reached: check the network and pip's settings, "
            f"{again} Details are in {LOG}.",
            UNREACHABLE,
        )
    last = [line for line in output.splitlines() if line.strip().lower().startswith("error")]
    said = last[-1].strip() if last else "pip ended with an error"
    return SandboxError(f"{said}: see {LOG}, mend that, {again}")


def ivy_jar() -> Path:
    """Return the Ivy that came with PySpark."""
    found = sorted(VENV.glob("lib/python*/site-packages/pyspark/jars/ivy-*.jar"))
    if not found:
        raise SandboxError(f"{VENV} has no PySpark: remove it and run `make setup` again.")
    return found[-1]


def remember_java(java: Path) -> None:
    """Note the chosen Java for conf/spark-env.sh."""
    if not JAVA_HOME_FILE.is_file() or JAVA_HOME_FILE.read_text("utf-8").strip() != str(java):
        JAVA_HOME_FILE.write_text(f"{java}\n", "utf-8")


def make_class_archive(java: Path) -> None:
    """Have Java archive the classes that Spark loads, unless it has for these jars."""
    made_by = (ROOT / "lake" / "class_archive.py", ROOT / "flo" / "class_archive_job.py")
    places = (java / "bin" / "java", ivy_jar().parent, JARS / "spark", *made_by)
    key = class_archive.key_of(places)
    if class_archive.is_due(JARS, key):
        say("having Java archive Spark's classes for quicker starts (a minute)")
        class_archive.make(VENV / "bin" / "python", ROOT, JARS, java, key)


if __name__ == "__main__":
    sys.exit(main())
