"""What is made once, before the first start: the NameNode's image and the metastore's tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path

from sandbox.daemons import METASTORE, NAMENODE, command, out_file
from sandbox.errors import UNREACHABLE, SandboxError
from sandbox.paths import Paths

_TABLES = Path(__file__).with_name("metastore.sql")

#: A running command, the draft it makes, and the place the draft is moved to once whole.
_Making = tuple[subprocess.Popen[bytes], Path, Path, Path]


def make_storage(paths: Paths, java: Path, class_path: str, warehouse: str) -> None:
    """Make what is not there yet: beside its place, then renamed, so whole or not at all."""
    making: list[_Making] = []
    try:
        if not paths.name_dir.exists():
            making.append(_format(paths, java, class_path))
        if not paths.metastore_db.exists():
            making.append(_make_tables(paths, java, class_path, warehouse))
        for process, draft, place, out in making:
            # `ij` passes over errors in its script and ends as if all were well.
            if process.wait() != 0 or not draft.exists() or "\nERROR" in _text(out):
                raise SandboxError(f"{place} could not be made: {out} says why.", UNREACHABLE)
            draft.rename(place)
    finally:
        for process, *_ in making:
            if process.poll() is None:
                process.kill()
                process.wait()


def _format(paths: Paths, java: Path, class_path: str) -> _Making:
    if paths.data_dir.exists() and any(paths.data_dir.glob("current/BP-*")):
        raise SandboxError(
            f"{paths.name_dir} is gone but {paths.data_dir} still holds blocks: "
            "restore it, or run `flo sandbox wipe` to start empty."
        )
    draft = paths.home / "name.new"
    shutil.rmtree(draft, ignore_errors=True)
    option = f"dfs.namenode.name.dir={draft.as_uri()}"
    line = command(NAMENODE, paths, java, class_path, ("-D", option, "-format", "-nonInteractive"))
    # Its command line must not be taken for the daemon's.
    line = [word for word in line if not word.startswith("-Dflo.daemon=")]
    out = out_file(NAMENODE, paths)
    return _run(line, out, paths), draft, paths.name_dir, out


def _make_tables(paths: Paths, java: Path, class_path: str, warehouse: str) -> _Making:
    draft = paths.metastore_db.with_name("metastore.new")
    shutil.rmtree(draft, ignore_errors=True)
    script = paths.tmp / "metastore.sql"
    tables = _TABLES.read_text("utf-8").replace("@WAREHOUSE@", warehouse.replace("'", "''"))
    url = f"jdbc:derby:{draft}".replace("'", "''")
    script.write_text(f"connect '{url};create=true';\nautocommit off;\n{tables}commit;\n", "utf-8")
    line = [
        str(java / "bin" / "java"),
        "-Xmx128m",
        "-XX:TieredStopAtLevel=1",
        f"-Dderby.system.home={paths.metastore_dir}",
        f"-Dderby.stream.error.file={paths.logs / 'derby.log'}",
        "-cp",
        class_path,
        "org.apache.derby.tools.ij",
        str(script),
    ]
    out = out_file(METASTORE, paths)
    return _run(line, out, paths), draft, paths.metastore_db, out


def _run(line: list[str], out: Path, paths: Paths) -> subprocess.Popen[bytes]:
    with out.open("wb") as stream:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=paths.home,
            env={name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ},
        )


def _text(path: Path) -> str:
    return "\n" + path.read_text("utf-8", "replace")


def unpack_pages(jars: Iterable[Path], folder: Path) -> None:
    """Lay the daemons' web pages open: taken from the jar they cost each start four seconds."""
    if (folder / "webapps").is_dir():
        return
    draft = folder / "webapps.new"
    shutil.rmtree(draft, ignore_errors=True)
    for path in jars:
        with zipfile.ZipFile(path) as jar:
            jar.extractall(draft, [n for n in jar.namelist() if n.startswith("webapps/")])
    (draft / "webapps").rename(folder / "webapps")
    draft.rmdir()
