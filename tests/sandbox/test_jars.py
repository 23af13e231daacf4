"""The jars are the pinned ones or none."""

import hashlib
from pathlib import Path

import pytest

from sandbox import jars
from sandbox.errors import SandboxError

ROOT = Path(__file__).parents[2]
CONTENT = b"a jar"
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Return a lock of one jar."""
    path = tmp_path / "jars.lock"
    path.write_text(f"# why\n\nspark  org.x:tool:1.0  sha256:{RIGHT}  # used\n")
    return path


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what the registry answers with, in place of a registry."""
    answer = [CONTENT]

    def resolve(wanted: list[jars.Jar], work: Path, java: Path, ivy: Path) -> Path:
        work.mkdir(parents=True)
        for jar in wanted:
            (work / jar.file_name).write_bytes(answer[0])
        return work

    monkeypatch.setattr(jars, "resolve", resolve)
    return answer


def install(lock: Path, folder: Path) -> None:
    """Install with no Java and no Ivy."""
    jars.install(jars.read_lock(lock), lock, folder, Path("java"), Path("ivy"))


def test_our_lock_is_whole() -> None:
    """Every pinned jar has a checksum, Delta's jar is its wheel's version, no host is named."""
    text = (ROOT / "conf" / "jars.lock").read_text()
    pinned = jars.read_lock(ROOT / "conf" / "jars.lock")
    assert all(len(jar.sha256) == 64 for jar in pinned)
    delta = next(jar for jar in pinned if jar.artifact.startswith("delta-spark"))
    assert f"delta-spark=={delta.version}" in (ROOT / "requirements.lock").read_text()
    assert "://" not in text


def test_jar_is_installed_once(lock: Path, tmp_path: Path, registry: list[bytes]) -> None:
    """A jar that is there is not asked for again."""
    install(lock, tmp_path / "jars")
    assert (tmp_path / "jars" / "spark" / "tool-1.0.jar").read_bytes() == CONTENT
    assert jars.missing(jars.read_lock(lock), tmp_path / "jars") == []
    registry[0] = b"another"
    install(lock, tmp_path / "jars")
    assert (tmp_path / "jars" / "spark" / "tool-1.0.jar").read_bytes() == CONTENT


def test_wrong_checksum_installs_nothing(lock: Path, tmp_path: Path, registry: list[bytes]) -> None:
    """A jar that is not the pinned one is refused by name, and nothing of it stays."""
    registry[0] = b"another"
    with pytest.raises(SandboxError, match=r"tool-1\.0\.jar is not the file that") as caught:
        install(lock, tmp_path / "jars")
    assert caught.value.exit_code == 2
    assert list((tmp_path / "jars").rglob("*.jar")) == []


def test_changed_jar_is_replaced(lock: Path, tmp_path: Path, registry: list[bytes]) -> None:
    """A jar that was tampered with after its check is seen and fetched anew."""
    install(lock, tmp_path / "jars")
    (tmp_path / "jars" / "spark" / "tool-1.0.jar").write_bytes(b"tampered")
    assert jars.missing(jars.read_lock(lock), tmp_path / "jars")
    install(lock, tmp_path / "jars")
    assert (tmp_path / "jars" / "spark" / "tool-1.0.jar").read_bytes() == CONTENT


def test_earlier_version_goes(lock: Path, tmp_path: Path, registry: list[bytes]) -> None:
    """Two versions of one jar never meet on a class path."""
    install(lock, tmp_path / "jars")
    lock.write_text(lock.read_text().replace("tool:1.0", "tool:2.0"))
    install(lock, tmp_path / "jars")
    assert [path.name for path in (tmp_path / "jars").rglob("*.jar")] == ["tool-2.0.jar"]


@pytest.mark.parametrize(
    "line",
    ["spark org.x:tool sha256:-", "other a:b:1 sha256:-", "spark a:b:1", "spark a:b:1 md5:x"],
)
def test_bad_line_is_named(tmp_path: Path, line: str) -> None:
    """A line that cannot be read is named by number."""
    (tmp_path / "jars.lock").write_text(f"# first\n{line}\n")
    with pytest.raises(SandboxError, match=r"jars\.lock, line 2"):
        jars.read_lock(tmp_path / "jars.lock")


@pytest.mark.parametrize(
    ("output", "said", "code"),
    [
        ("java.net.UnknownHostException: x", "The registry of jars was not reached", 3),
        ("Server access error", "The registry of jars was not reached", 3),
        ("unresolved dependency: a#b;1: not found", "No registry has a:b:1", 3),
        ("java.io.IOException: No space left on device", "is full", 3),
    ],
)
def test_why_a_jar_is_missing(output: str, said: str, code: int, tmp_path: Path) -> None:
    """No network, no such jar and a full disk are told apart."""
    assert said in jars._why(output, ["a:b:1"], tmp_path / "ivy")
