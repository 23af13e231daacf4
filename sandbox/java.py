"""Find a Java 17 or 21 on this machine, whatever other Java it has (standard library only)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.errors import SandboxError

#: Spark 4.2 runs on these; Hadoop 3.5 wants 17 at least, and Java 25 took the security manager out.
SUPPORTED = (17, 21)

_HOMES = (
    "/usr/lib/jvm/*17*",
    "/usr/lib/jvm/*21*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk@*/libexec/openjdk.jdk/Contents/Home",
)


def parse_version(text: str) -> int | None:
    """Return the feature version in a `release` file or in what `java -version` prints."""
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)(?:\.(\d+))?', text)
    if found is None:
        return None
    major = int(found[1])
    # Java 8 and older call themselves 1.8.
    return int(found[2]) if major == 1 and found[2] else major


def version_of(home: Path) -> int | None:
    """Return the feature version of the Java in `home`, or None when there is none that runs."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    release = home / "release"
    if release.is_file() and (major := parse_version(release.read_text("utf-8", "replace"))):
        return major
    try:
        run = subprocess.run(
            [str(home / "bin" / "java"), "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(run.stderr + run.stdout)


def candidates(env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield where a Java may be, as (how it was found, its home), the user's choice first."""
    if env.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(env["JAVA_HOME"])
    on_path = shutil.which("java", path=env.get("PATH", os.defpath))
    if on_path:
        # /usr/bin/java is a chain of links; the home is where the last one points.
        yield "java on PATH", Path(on_path).resolve().parent.parent
    for pattern in _HOMES:
        root = Path(pattern.split("*")[0]).parent
        for home in sorted(root.glob(str(Path(pattern).relative_to(root)))):
            yield str(home), home


def find_java(env: Mapping[str, str] | None = None) -> Path:
    """Return the home of a Java 17 or 21, or raise with what was found instead."""
    seen: list[str] = []
    for how, home in candidates(os.environ if env is None else env):
        major = version_of(home)
        if major in SUPPORTED:
            return home
        if major is not None and len(seen) < 3:
            seen.append(f"{how} is Java {major}")
        elif how == "JAVA_HOME":
            seen.append(f"JAVA_HOME={home} holds no Java that runs")
    raise SandboxError(missing_java(seen))


def missing_java(seen: list[str]) -> str:
    """Word the error for a machine with no usable Java."""
    found = f" ({'; '.join(seen)})" if seen else ""
    return (
        f"Java 17 or 21 is needed and was not found{found}: "
        "install one (for instance the package openjdk-17-jre-headless) or point JAVA_HOME at it."
    )
