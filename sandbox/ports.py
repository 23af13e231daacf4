"""Ports of a sandbox: picked free once, kept in a file, all on loopback."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.errors import SandboxError

LOOPBACK = "127.0.0.1"

#: Below the range from which Linux takes the local port of outgoing connections (32768 and up),
#: so that no passing connection sits on a kept port while the sandbox is down.
_RANGE = range(20000, 32000)

HDFS_PORTS = (
    "namenode",
    "namenode_http",
    "datanode",
    "datanode_http",
    "datanode_ipc",
    "metastore",
)
YARN_PORTS = (
    "resourcemanager",
    "resourcemanager_scheduler",
    "resourcemanager_tracker",
    "resourcemanager_admin",
    "resourcemanager_http",
    "nodemanager",
    "nodemanager_localizer",
    "nodemanager_http",
)


def variable(name: str) -> str:
    """Return the environment variable that sets the port `name`."""
    return f"FLO_{name.upper()}_PORT"


def chosen(settings: Mapping[str, int] | None, env: Mapping[str, str]) -> dict[str, int]:
    """Return the ports that the user set, by argument or by environment (which wins)."""
    names = (*HDFS_PORTS, *YARN_PORTS)
    picked: dict[str, int] = {}
    for name, value in (settings or {}).items():
        if name not in names:
            raise SandboxError(f"There is no sandbox port {name!r}: use one of {', '.join(names)}.")
        picked[name] = _checked(name, str(value))
    for name in names:
        if env.get(variable(name)):
            picked[name] = _checked(variable(name), env[variable(name)])
    return picked


def _checked(where: str, value: str) -> int:
    if value.isdecimal() and 0 < int(value) < 65536:
        return int(value)
    raise SandboxError(f"{where} is {value!r}: a port is a number from 1 to 65535.")


def load(path: Path) -> dict[str, int]:
    """Return the kept ports, none when there is no file yet."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        return {str(name): int(port) for name, port in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        raise SandboxError(
            f"{path} cannot be read as JSON: run `flo sandbox wipe`, or restore it."
        ) from error


def settle(path: Path, names: Iterable[str], fixed: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each name (set, kept, or new and free), and keep them in `path`."""
    kept = load(path)
    ports = {**kept, **fixed}
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, pick_free(len(missing), set(ports.values())), strict=True))
    _refuse_twice(ports)
    if ports != kept:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(ports, indent=2) + "\n", "utf-8")
        draft.replace(path)
    return ports


def _refuse_twice(ports: Mapping[str, int]) -> None:
    by_port: dict[int, str] = {}
    for name, port in ports.items():
        if port in by_port:
            raise SandboxError(
                f"Port {port} is set for both {by_port[port]} and {name}: change {variable(name)}."
            )
        by_port[port] = name


def pick_free(count: int, taken: set[int]) -> list[int]:
    """Pick `count` free loopback ports, holding each until all are found."""
    picked: list[int] = []
    with contextlib.ExitStack() as held:
        # Seeded by the system: two sandboxes made at the same moment must not pick alike.
        for port in random.SystemRandom().sample(_RANGE, len(_RANGE)):
            if len(picked) == count:
                return picked
            if port not in taken and (bound := _bind(port)) is not None:
                held.enter_context(bound)
                picked.append(port)
    raise SandboxError(f"No {count} free ports from {_RANGE.start} to {_RANGE.stop}: free some.")


def is_free(port: int) -> bool:
    """Tell whether a daemon could listen on `port` now."""
    bound = _bind(port)
    if bound is None:
        return False
    bound.close()
    return True


def _bind(port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As Java does: a connection that lingers in TIME_WAIT does not count as in use.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, port))
        sock.listen(1)
    except OSError:
        sock.close()
        return None
    return sock


def is_open(port: int) -> bool:
    """Tell whether something accepts connections on `port`."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False
