"""Bring the few pinned jars here with the Ivy that PySpark ships, and check each one's SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from sandbox.errors import UNREACHABLE, SandboxError

#: `spark`: what Spark needs on its class path; `sandbox`: what the sandbox's daemons need.
KINDS = ("spark", "sandbox")
_NETWORK = re.compile(
    r"UnknownHost|Host .* not found|Connection|timed out|unreachable|Server access|proxy", re.I
)
_FULL = re.compile(r"No space left|Disk quota", re.I)
_CHANGED = (
    "{path} is not the file that {lock} names (SHA-256 {found}, not {wanted}): "
    "nothing was installed; run `make setup` again, and if it stays so, do not trust that registry."
)


@dataclass(frozen=True)
class Jar:
    """One line of the lock: what it is for, its coordinates, its checksum."""

    kind: str
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name under which the jar is kept."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinates(self) -> str:
        """The jar's name in the world."""
        return f"{self.group}:{self.artifact}:{self.version}"


def read_lock(lock: Path) -> list[Jar]:
    """Return the jars of a lock: lines of `kind group:artifact:version sha256:digest`."""
    jars = []
    for number, line in enumerate(lock.read_text("utf-8").splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if words:
            jars.append(_parse(words, f"{lock}, line {number}"))
    return jars


def _parse(words: list[str], where: str) -> Jar:
    found = re.fullmatch(
        r"(\w+) ([\w.-]+):([\w.-]+):([\w.-]+) sha256:([0-9a-f]{64}|-)", " ".join(words)
    )
    if found is None or found[1] not in KINDS:
        raise SandboxError(
            f"{where} is not `spark|sandbox group:artifact:version sha256:digest`: mend the line."
        )
    return Jar(found[1], found[2], found[3], found[4], found[5])


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place(jar: Jar, folder: Path) -> Path:
    """Return where a jar is kept."""
    return folder / jar.kind / jar.file_name


def missing(jars: Iterable[Jar], folder: Path) -> list[Jar]:
    """Return the jars that are not there as the lock says.

    A file that has not changed since its checksum was last found right is not read again.
    """
    seen = _seen(folder)
    lacking = []
    for jar in jars:
        path = place(jar, folder)
        if not path.is_file() or seen.get(jar.file_name) != _mark(jar, path):
            lacking.append(jar)
    return lacking


def _mark(jar: Jar, path: Path) -> list[object]:
    stat = path.stat()
    return [jar.sha256, stat.st_size, stat.st_mtime_ns]


def _seen(folder: Path) -> dict[str, list[object]]:
    try:
        noted = json.loads((folder / "checked.json").read_text("utf-8"))
        return noted if isinstance(noted, dict) else {}
    except (OSError, ValueError):
        return {}


def install(jars: list[Jar], lock: Path, folder: Path, java: Path, ivy: Path) -> None:
    """Make `folder` hold the jars of the lock, each checked, and no others."""
    work = folder / "ivy"
    wanted = [jar for jar in missing(jars, folder) if not _is_right(jar, folder)]
    if wanted:
        try:
            fetched = resolve(wanted, work, java, ivy)
            for jar in wanted:
                _refuse_changed(jar, fetched / jar.file_name, lock)
            for jar in wanted:
                place(jar, folder).parent.mkdir(parents=True, exist_ok=True)
                (fetched / jar.file_name).replace(place(jar, folder))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    _forget_others(jars, folder)
    checked = {jar.file_name: _mark(jar, place(jar, folder)) for jar in jars}
    (folder / "checked.json").write_text(json.dumps(checked, indent=2), "utf-8")


def _is_right(jar: Jar, folder: Path) -> bool:
    path = place(jar, folder)
    return path.is_file() and digest(path) == jar.sha256


def _refuse_changed(jar: Jar, path: Path, lock: Path) -> None:
    found = digest(path)
    if found != jar.sha256:
        raise SandboxError(
            _CHANGED.format(path=jar.file_name, lock=lock, found=found, wanted=jar.sha256)
        )


def _forget_others(jars: list[Jar], folder: Path) -> None:
    """Remove jars of an earlier lock: two versions on one class path break in odd ways."""
    kept = {place(jar, folder) for jar in jars}
    for kind in KINDS:
        for path in (folder / kind).glob("*.jar"):
            if path not in kept:
                path.unlink()


def resolve(jars: list[Jar], work: Path, java: Path, ivy: Path) -> Path:
    """Fetch jars with Ivy, without what they depend on, and return the folder they are in."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    module = work / "ivy.xml"
    module.write_text(ivy_module(jars), "utf-8")
    # Ivy's built-in settings know where public jars are. A site with a mirror names its own.
    settings = os.environ.get("FLO_IVY_SETTINGS")
    run = subprocess.run(
        [
            str(java / "bin" / "java"), f"-Divy.default.ivy.user.dir={work}",
            "-cp", str(ivy), "org.apache.ivy.Main",
            *(("-settings", settings) if settings else ()),
            "-ivy", str(module), "-cache", str(work / "cache"), "-types", "jar",
            "-retrieve", f"{work}/jars/[artifact]-[revision].[ext]", "-warn",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    absent = [jar.coordinates for jar in jars if not (work / "jars" / jar.file_name).is_file()]
    if absent:
        raise SandboxError(_why(run.stdout + run.stderr, absent, work), UNREACHABLE)
    return work / "jars"


def _why(output: str, absent: list[str], work: Path) -> str:
    if _FULL.search(output):
        return f"The disk of {work.parent} is full: free some, then run `make setup` again."
    if _NETWORK.search(output):
        return (
            f"The registry of jars was not reached for {absent[0]}: check the network (or name "
            "your site's Ivy settings in FLO_IVY_SETTINGS), then run `make setup` again."
        )
    return (
        f"No registry has {', '.join(absent)}: check the coordinates in conf/jars.lock, or "
        "the network."
    )


def ivy_module(jars: Iterable[Jar]) -> str:
    """Return an Ivy module that depends on just these jars (`master` is the jar alone)."""
    needs = "".join(
        f"<dependency org={quoteattr(jar.group)} name={quoteattr(jar.artifact)} "
        f"rev={quoteattr(jar.version)}/>"
        for jar in jars
    )
    return (
        '<ivy-module version="2.0"><info organisation="flo" module="jars"/>'
        '<configurations><conf name="default"/></configurations>'
        f'<dependencies defaultconf="default->master">{needs}</dependencies></ivy-module>'
    )


def relock(lock: Path, work: Path, java: Path, ivy: Path) -> None:
    """Write into the lock the checksums of what the registry has now."""
    jars = read_lock(lock)
    text = lock.read_text("utf-8")
    try:
        fetched = resolve(jars, work, java, ivy)
        for jar in jars:
            new = digest(fetched / jar.file_name)
            line = re.compile(rf"({re.escape(jar.coordinates)}\s+sha256:)\S+")
            text = line.sub(rf"\g<1>{new}", text)
        lock.write_text(text, "utf-8")
    finally:
        shutil.rmtree(work, ignore_errors=True)
