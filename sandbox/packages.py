"""Make an environment, and put pinned packages into it with uv, every hash checked.

Only the standard library is needed: pip, which each new environment has, brings uv, and uv brings
the rest. uv reads none of pip's settings, so what a site tells pip of its registry is told to uv.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.errors import UNREACHABLE, SandboxError

_NETWORK = re.compile(
    # What pip says, then what uv says.
    r"NewConnectionError|Max retries|ConnectTimeout|ReadTimeout|name resolution|ProxyError|"
    r"Connection (?:refused|reset|aborted)|Network is unreachable|No matching distribution|"
    r"error sending request|Failed to fetch|HTTP status|response body|timed out|"
    r"not found in the (?:package registry|provided package locations|cache)",
    re.I,
)
_FULL = re.compile(r"No space left|Disk quota", re.I)
_CHANGED = re.compile(r"DO NOT MATCH THE HASHES|Hash mismatch", re.I)
#: What `pip config list` prints of each setting that holds for `pip install`, weakest first.
_SECTIONS = ("global", "install", ":env:")
#: pip's settings that are a word each, and where uv looks for the same.
_WORDS = {
    "index-url": "UV_DEFAULT_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
_TRUE = {"1", "true", "yes", "on"}
#: The jars in PySpark are compressed: to compress its wheel takes twice as long as all the rest.
_STORED = "pyspark:--build-option=--compression=stored"


def make_environment(venv: Path) -> None:
    """Make an empty environment in the place of whatever is there."""
    run = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode != 0:
        raise SandboxError(
            f"{sys.executable} could not make {venv}: install its venv module (on Debian the "
            "package python3-venv), or name another Python with `make setup PYTHON=...`."
        )


def bring_uv(venv: Path, lock: Path) -> None:
    """Put the pinned uv into an environment."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_RETRIES": "2"}
    pip = (str(venv / "bin" / "python"), "-m", "pip", "install", "--no-compile", "--no-deps")
    pinned = ("--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    _run(venv, {**quiet, **os.environ}, *pip, *pinned)


def install_locked(
    tools: Path, lock: Path, builders: Path, *further: str, venv: Path | None = None
) -> None:
    """Put every package of a lock into an environment.

    Args:
        tools: the environment that has uv.
        lock: the packages, all with hashes.
        builders: the lock of what builds those that come as source: no other is fetched for that.
        further: options of uv's.
        venv: the environment to install into; by default the one that has uv.
    """
    built = ("--build-constraints", str(builders), "--require-build-hashes")
    stored = ("--config-settings-package", _STORED)
    uv(tools, "--require-hashes", "-r", str(lock), *built, *stored, *further, venv=venv)


def uv(tools: Path, *arguments: str, venv: Path | None = None) -> None:
    """Run `uv pip install`, and say in a sentence what stopped it.

    What it fetches stays in the environment until `forget_fetched`: a try that was interrupted goes
    on from there, and nothing comes to lie in anybody's home.
    """
    target = venv or tools
    settings = _pip_settings(tools)
    no_index = ("--no-index",) if settings.get("no-index", "").lower() in _TRUE else ()
    ours = {
        "UV_CACHE_DIR": str(target / "fetched"),
        "UV_HTTP_RETRIES": "2",
        "UV_NO_PROGRESS": "1",
        **({"UV_SYSTEM_CERTS": "1"} if _has_certificates() else {}),
        **dict(_as_pip_is_told(settings)),
    }
    # What is said to uv itself has the last word on uv.
    said = {name: value for name, value in os.environ.items() if name.startswith("UV_")}
    command = (str(tools / "bin" / "uv"), "pip", "install", "-p", str(target / "bin" / "python"))
    _run(target, {**os.environ, **ours, **said}, *command, *no_index, *arguments)


def forget_fetched(venv: Path) -> None:
    """Remove what uv kept to install from: what is installed does not need it."""
    shutil.rmtree(venv / "fetched", ignore_errors=True)


def _has_certificates() -> bool:
    """Tell whether this machine has certificates of its own; else uv takes those that it brings."""
    known = ssl.get_default_verify_paths()
    return bool(known.cafile or (known.capath and any(Path(known.capath).iterdir())))


def _pip_settings(venv: Path) -> dict[str, str]:
    """Read what `pip install` goes by here, from its files and its variables."""
    listed = subprocess.run(
        [str(venv / "bin" / "python"), "-m", "pip", "config", "list"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    found: dict[str, str] = {}
    for section in _SECTIONS:
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(['\"].*)$", listed, re.M):
            found[name] = str(ast.literal_eval(value))
    return found


def _as_pip_is_told(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that tell uv what pip is told of registries and of the way to them."""
    for name, value in settings.items():
        several = value.split()
        if name in _WORDS:
            yield _WORDS[name], value
        elif name == "extra-index-url":
            yield "UV_INDEX", " ".join(several)
            # As pip does. What comes from where does not matter, for its hash is known.
            yield "UV_INDEX_STRATEGY", "unsafe-best-match"
        elif name == "trusted-host":
            yield "UV_INSECURE_HOST", " ".join(several)
        elif name == "find-links":
            # pip passes by what is not there, and uv would end.
            places = (os.path.expanduser(each) for each in several)  # noqa: PTH111 - or an address
            there = [each for each in places if "://" in each or Path(each).is_dir()]
            if there:
                yield "UV_FIND_LINKS", ",".join(there)


def _run(venv: Path, environment: Mapping[str, str], *command: str) -> None:
    run = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=environment,
    )  # fmt: skip
    if run.returncode != 0:
        log = venv / "setup.log"
        log.write_text(run.stdout + run.stderr, "utf-8")
        raise why_it_failed(run.stdout + run.stderr, venv, log)


def why_it_failed(output: str, venv: Path, log: Path) -> SandboxError:
    """Return the error for what pip or uv printed."""
    again = "then run `make setup` again."
    if _FULL.search(output):
        return SandboxError(f"The disk of {venv} is full: free some, {again}")
    if _CHANGED.search(output):
        return SandboxError(
            "A package is not the one that its lock names (its SHA-256 differs): nothing of it "
            "was installed; try again, and if it stays so, do not trust that registry."
        )
    if _NETWORK.search(output):
        return SandboxError(
            f"The registry of packages was not reached: check the network and pip's settings, "
            f"{again} Details are in {log}.",
            UNREACHABLE,
        )
    errors = re.findall(r"^\s*(error\b.*)", output, re.M | re.I)
    causes = re.findall(r"^\s*cause: (.*)", output, re.M)
    said = ": ".join(errors[-1:] + causes[-1:]) or "The installer ended with an error"
    return SandboxError(f"{said}: see {log}, mend that, {again}")
