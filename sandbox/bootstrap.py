"""Set the project up: its environment and its jars, once, with the standard library only."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import jars, packages
from sandbox.errors import SandboxError
from sandbox.java import find_java, version_of
from sandbox.lock import locked

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
JARS = ROOT / ".jars"
#: What brings packages, what runs, and what checks, tests and opens the notebook.
UV_LOCK = ROOT / "requirements-uv.lock"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
JARS_LOCK = ROOT / "conf" / "jars.lock"
PROJECT = ROOT / "pyproject.toml"
STATE = VENV / "flo-setup.json"
#: Where conf/spark-env.sh finds the Java that was chosen here.
JAVA_HOME_FILE = JARS / "java_home"
#: PySpark is 0.5 GB, and is there five times while it is unpacked and built; the rest is little.
ROOM, LITTLE_ROOM = 3 * 1024**3, 512 * 1024**2


def main(arguments: list[str] | None = None) -> int:
    """Run the set-up, and print one clear sentence when it cannot be done."""
    options = argparse.ArgumentParser(prog="make setup", description=__doc__)
    options.add_argument("--dev", action="store_true", help="also what checks and tests need")
    options.add_argument("--lock-jars", action="store_true", help="write new checksums")
    chosen = options.parse_args(arguments)
    try:
        with locked(ROOT / ".setup.lock", patience=1800, holder="make setup"):
            set_up(dev=chosen.dev, lock_jars=chosen.lock_jars)
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


def set_up(dev: bool = False, lock_jars: bool = False) -> None:
    """Do what is not done yet, saying each step in a line with its seconds."""
    began = time.monotonic()
    java = find_java()
    pinned = jars.read_lock(JARS_LOCK)
    due = jars.missing(pinned, JARS)
    if (lacking := packages_due(dev)) or due:
        require_room(ROOM if "runs" in lacking else LITTLE_ROOM)
    set_up_packages(dev)
    if lock_jars:
        with step("the checksums of the jars, as the registry has them now"):
            jars.relock(JARS_LOCK, JARS / "ivy", java, ivy_jar())
        pinned = jars.read_lock(JARS_LOCK)
        due = jars.missing(pinned, JARS)
    if due:
        with step(f"jars ({len(due)}) into {JARS.name}/, their SHA-256 checked"):
            JARS.mkdir(exist_ok=True)
            jars.install(pinned, JARS_LOCK, JARS, java, ivy_jar())
    remember_java(java)
    python = ".".join(map(str, sys.version_info[:3]))
    took = time.monotonic() - began
    print(f"setup: ready in {took:.0f} s (Python {python}, Java {version_of(java)} in {java})")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Tell the user what is being done, and in the end how long it took."""
    began = time.monotonic()
    print(f"setup: {title} ...", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f" {time.monotonic() - began:.0f} s", flush=True)


def require_room(here: int) -> None:
    """Refuse to begin what the disk cannot hold; here, and for what is only there for a while."""
    for place, needed in ((ROOT, here), (Path(tempfile.gettempdir()), LITTLE_ROOM)):
        free = shutil.disk_usage(place).free
        if free < needed:
            raise SandboxError(
                f"The disk of {place} has {free // 2**20} MB left and the set-up needs "
                f"{needed // 2**20} MB: free some (or point TMPDIR at another disk)."
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


def _note(name: str, path: Path) -> None:
    draft = STATE.with_suffix(".new")
    state = {**_state(), "root": str(ROOT), name: fingerprint(path)}
    draft.write_text(json.dumps(state, indent=2), "utf-8")
    draft.replace(STATE)


def packages_due(dev: bool) -> dict[str, Path]:
    """Return what is to be put into the environment, each with the file that says what it is.

    What is there is noted in the environment, with the fingerprint that its file had.
    """
    wanted = {"uv": UV_LOCK, "runs": LOCK, **({"dev": DEV_LOCK} if dev else {}), "flo": PROJECT}
    there = _state() if (VENV / "bin" / "flo").exists() else {**_state(), "flo": ""}
    return {name: path for name, path in wanted.items() if there.get(name) != fingerprint(path)}


def set_up_packages(dev: bool) -> None:
    """Put into the environment what is due, and note each part, so that none is done twice."""
    for name, path in packages_due(dev).items():
        with step(_title(name, path)):
            _install(name, path)
            packages.forget_fetched(VENV)
            _note(name, path)


def _title(name: str, path: Path) -> str:
    count = len(re.findall(r"^[\w.-]+==", path.read_text("utf-8"), re.M))
    return {
        "uv": f"{VENV.name}/ with Python {sys.version_info[0]}.{sys.version_info[1]}, and uv",
        "runs": f"packages that run ({count})",
        "dev": f"packages that check and test ({count})",
        "flo": "flo itself",
    }[name]


def _install(name: str, path: Path) -> None:
    if name == "uv":
        if not _state():
            packages.make_environment(VENV)
        packages.bring_uv(VENV, path)
    elif name == "flo":
        # The setuptools that builds it was pinned and is there: nothing is fetched.
        packages.uv(VENV, "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    elif name == "runs":
        # Where Python may not leave compiled modules behind, each start would compile them anew.
        packages.install_locked(VENV, path, LOCK, "--compile-bytecode")
    else:
        packages.install_locked(VENV, path, LOCK)


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


if __name__ == "__main__":
    sys.exit(main())
