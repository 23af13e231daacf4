"""A sandbox touches only what it made."""

from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.lock import locked
from sandbox.paths import Paths


def test_wipe_leaves_no_trace(tmp_path: Path) -> None:
    """What was made is removed, and `var` itself when nothing else is in it."""
    paths = Paths(tmp_path / "var")
    paths.claim()
    (paths.logs / "namenode.log").write_text("x")
    paths.remove()
    paths.remove_if_empty()
    assert not paths.var.exists()


def test_wipe_keeps_what_is_beside(tmp_path: Path) -> None:
    """A file that somebody else put under `var` stays."""
    paths = Paths(tmp_path)
    paths.claim()
    (tmp_path / "mine.csv").write_text("x")
    paths.remove()
    paths.remove_if_empty()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize("name", ["sandbox", "hadoop"])
def test_wipe_refuses_a_foreign_directory(tmp_path: Path, name: str) -> None:
    """A directory of the same name that no sandbox made is not removed, nor is anything else."""
    paths = Paths(tmp_path)
    paths.claim()
    (tmp_path / name / ".flo-sandbox").unlink()
    with pytest.raises(SandboxError, match="nothing was removed"):
        paths.remove()
    assert paths.home.is_dir()
    assert paths.client_conf.is_dir()


def test_wipe_never_follows_a_link(tmp_path: Path) -> None:
    """What a link points at survives, inside the sandbox and in its place."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    paths = Paths(tmp_path / "var")
    paths.claim()
    (paths.home / "link").symlink_to(outside, target_is_directory=True)
    paths.remove()
    paths.var.mkdir(exist_ok=True)
    paths.home.symlink_to(outside, target_is_directory=True)
    (outside / ".flo-sandbox").write_text("")
    with pytest.raises(SandboxError, match="was not made by a sandbox"):
        paths.remove()
    assert (outside / "precious").read_text() == "x"


def test_up_refuses_a_foreign_directory(tmp_path: Path) -> None:
    """A `var/hadoop` that holds a site's own configuration is not written over."""
    (tmp_path / "hadoop").mkdir()
    (tmp_path / "hadoop" / "core-site.xml").write_text("<configuration/>")
    with pytest.raises(SandboxError, match="was not made by a sandbox"):
        Paths(tmp_path).claim()
    assert (tmp_path / "hadoop" / "core-site.xml").read_text() == "<configuration/>"


def test_one_at_a_time(tmp_path: Path) -> None:
    """Who cannot have the lock in time is told who has it."""
    lock = tmp_path / "lock"
    with (
        locked(lock, patience=1),
        pytest.raises(SandboxError, match="Another `flo sandbox`") as caught,
        locked(lock, patience=0.1),
    ):
        pass
    assert caught.value.exit_code == 3
    with locked(lock, patience=0):
        pass
