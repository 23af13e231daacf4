"""What each daemon is: its class, its ports, its memory, and how it says that it is ready."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.paths import Paths
from sandbox.ports import LOOPBACK, is_open

Ports = Mapping[str, int]
#: Says what is still missing, or None when the daemon is ready.
Probe = Callable[[Ports], str | None]


@dataclass(frozen=True)
class Daemon:
    """One process of the sandbox."""

    name: str
    title: str
    main: str
    heap: str
    ports: tuple[str, ...]
    probe: Probe
    arguments: Callable[[Ports], tuple[str, ...]] = lambda _: ()
    java_options: tuple[str, ...] = ()


def jmx(port: int, bean: str) -> dict[str, Any] | None:
    """Return one JMX bean of a daemon, or None while it does not answer."""
    # Not urllib: a proxy in the environment is no way to reach this machine.
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", f"/jmx?qry={bean}")
        beans = json.loads(connection.getresponse().read()).get("beans") or [None]
        found = beans[0]
        return found if isinstance(found, dict) else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def namenode_state(ports: Ports) -> str | None:
    """Ready when out of safe mode, which takes a live DataNode (see `safemode.min.datanodes`)."""
    state = jmx(ports["namenode_http"], "Hadoop:service=NameNode,name=FSNamesystemState")
    if state is None:
        return "it does not answer yet"
    if state.get("FSState") != "Operational":
        return "it is in safe mode"
    return None if state.get("NumLiveDataNodes", 0) >= 1 else "it knows no live DataNode"


def datanode_state(ports: Ports) -> str | None:
    """Ready when registered: the NameNode may still count the one that was killed as alive."""
    info = jmx(ports["datanode_http"], "Hadoop:service=DataNode,name=DataNodeInfo")
    if info is None:
        return "it does not answer yet"
    actors = json.loads(info.get("BPServiceActorInfo") or "[]")
    running = [a for a in actors if a.get("ActorState") == "RUNNING" and a.get("BlockPoolID")]
    return None if running else "it has not registered with the NameNode"


def metastore_state(ports: Ports) -> str | None:
    """Ready when it accepts connections."""
    return None if is_open(ports["metastore"]) else "it does not answer yet"


NAMENODE = Daemon(
    "namenode",
    "NameNode",
    "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "256m",
    ("namenode", "namenode_http"),
    namenode_state,
)
DATANODE = Daemon(
    "datanode",
    "DataNode",
    "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "256m",
    ("datanode", "datanode_http", "datanode_ipc"),
    datanode_state,
)
METASTORE = Daemon(
    "metastore",
    "metastore database",
    "org.apache.derby.drda.NetworkServerControl",
    "128m",
    ("metastore",),
    metastore_state,
    arguments=lambda ports: (
        "start", "-h", LOOPBACK, "-p", str(ports["metastore"]), "-noSecurityManager",
    ),
)  # fmt: skip

HDFS = (METASTORE, DATANODE, NAMENODE)


def properties(daemon: Daemon, paths: Paths) -> dict[str, str]:
    """Return the system properties by which a daemon finds its places, and we find it."""
    return {
        "flo.sandbox": str(paths.home),
        "flo.daemon": daemon.name,
        "flo.log": str(log_file(daemon, paths)),
        "hadoop.log.dir": str(paths.logs),
        "java.io.tmpdir": str(paths.tmp),
        "java.net.preferIPv4Stack": "true",
        "derby.system.home": str(paths.metastore_dir),
        "derby.stream.error.file": str(paths.logs / "derby.log"),
    }


def log_file(daemon: Daemon, paths: Paths) -> Path:
    """Return the log of a daemon."""
    return paths.logs / f"{daemon.name}.log"


def out_file(daemon: Daemon, paths: Paths) -> Path:
    """Return what a daemon printed before its log was open, or as it died."""
    return paths.logs / f"{daemon.name}.out"


def command(
    daemon: Daemon, paths: Paths, java: Path, class_path: str, arguments: tuple[str, ...]
) -> list[str]:
    """Return the command line of a daemon."""
    return [
        str(java / "bin" / "java"),
        f"-Xmx{daemon.heap}",
        # Light on a small machine: one garbage collector thread, quick start.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        *daemon.java_options,
        *(f"-D{name}={value}" for name, value in properties(daemon, paths).items()),
        "-cp",
        class_path,
        daemon.main,
        *arguments,
    ]
