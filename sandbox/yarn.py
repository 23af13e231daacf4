"""YARN beside HDFS: a ResourceManager and a NodeManager that can run Spark applications."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.daemons import Daemon, Ports, jmx
from sandbox.hadoop_conf import to_xml, write_files
from sandbox.paths import Paths
from sandbox.ports import LOOPBACK

#: Memory and cores that containers may use together.
MEMORY_MB = 8192
CORES = 4
_OPEN = ("--add-opens=java.base/java.lang=ALL-UNNAMED",)


def resourcemanager_state(ports: Ports) -> str | None:
    """Ready when a NodeManager is there to run containers."""
    bean = "Hadoop:service=ResourceManager,name=ClusterMetrics"
    metrics = jmx(ports["resourcemanager_http"], bean)
    if metrics is None:
        return "it does not answer yet"
    return None if metrics.get("NumActiveNMs", 0) >= 1 else "it knows no active NodeManager"


def nodemanager_state(ports: Ports) -> str | None:
    """Ready when it answers; that it is registered is the ResourceManager's to say."""
    info = jmx(ports["nodemanager_http"], "Hadoop:service=NodeManager,name=NodeManagerMetrics")
    return "it does not answer yet" if info is None else None


RESOURCEMANAGER = Daemon(
    "resourcemanager",
    "ResourceManager",
    "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "256m",
    (
        "resourcemanager",
        "resourcemanager_scheduler",
        "resourcemanager_tracker",
        "resourcemanager_admin",
        "resourcemanager_http",
    ),
    resourcemanager_state,
    java_options=_OPEN,
)
NODEMANAGER = Daemon(
    "nodemanager",
    "NodeManager",
    "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
    "256m",
    ("nodemanager", "nodemanager_localizer", "nodemanager_http"),
    nodemanager_state,
    java_options=_OPEN,
)
DAEMONS = (RESOURCEMANAGER, NODEMANAGER)


def _at(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def client(ports: Ports) -> Mapping[str, object]:
    """Return what a submitter and an ApplicationMaster need."""
    return {
        "yarn.resourcemanager.hostname": LOOPBACK,
        "yarn.resourcemanager.address": _at(ports["resourcemanager"]),
        "yarn.resourcemanager.scheduler.address": _at(ports["resourcemanager_scheduler"]),
        "yarn.resourcemanager.resource-tracker.address": _at(ports["resourcemanager_tracker"]),
        "yarn.resourcemanager.admin.address": _at(ports["resourcemanager_admin"]),
        "yarn.resourcemanager.webapp.address": _at(ports["resourcemanager_http"]),
        # An application may ask for fewer; this is the most it can have.
        "yarn.resourcemanager.am.max-attempts": 4,
        "yarn.resourcemanager.connect.max-wait.ms": 15000,
        "yarn.resourcemanager.connect.retry-interval.ms": 500,
        "yarn.scheduler.minimum-allocation-mb": 256,
        "yarn.scheduler.maximum-allocation-mb": MEMORY_MB,
        "yarn.scheduler.maximum-allocation-vcores": CORES,
    }


def _node_path() -> str:
    return os.pathsep.join((str(Path(sys.base_prefix, "bin")), os.defpath))


def server(paths: Paths, ports: Ports) -> Mapping[str, object]:
    """Return the settings of the ResourceManager and the NodeManager."""
    return {
        **client(ports),
        "yarn.nodemanager.bind-host": LOOPBACK,
        "yarn.nodemanager.hostname": LOOPBACK,
        "yarn.nodemanager.address": _at(ports["nodemanager"]),
        "yarn.nodemanager.localizer.address": _at(ports["nodemanager_localizer"]),
        "yarn.nodemanager.webapp.address": _at(ports["nodemanager_http"]),
        "yarn.nodemanager.local-dirs": paths.yarn_dir / "local",
        "yarn.nodemanager.log-dirs": paths.yarn_dir / "logs",
        "yarn.nodemanager.resource.memory-mb": MEMORY_MB,
        "yarn.nodemanager.resource.cpu-vcores": CORES,
        # A laptop's disk may be fuller than a server's, and its virtual memory means little.
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.5,
        "yarn.nodemanager.vmem-check-enabled": "false",
        # Not admin-env: Spark hands SPARK_… on to its executors, and YARN would append to it.
        "yarn.nodemanager.env-whitelist": "JAVA_HOME,SPARK_LOCAL_IP",
        # Containers find the machine's Python, as on any node, not the project's environment.
        "yarn.nodemanager.admin-env": f"MALLOC_ARENA_MAX=4,PATH={_node_path()}",
        "yarn.nodemanager.delete.debug-delay-sec": 0,
        "yarn.log-aggregation-enable": "false",
        "yarn.resourcemanager.recovery.enabled": "false",
        # A killed ApplicationMaster is noticed by its process; these bound the rest.
        "yarn.am.liveness-monitor.expiry-interval-ms": 60000,
        "yarn.nm.liveness-monitor.expiry-interval-ms": 60000,
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 250,
    }


def scheduler() -> Mapping[str, object]:
    """Return one queue in which one application may have everything."""
    return {
        "yarn.scheduler.capacity.root.queues": "default",
        "yarn.scheduler.capacity.root.default.capacity": 100,
        "yarn.scheduler.capacity.maximum-am-resource-percent": 1.0,
        "yarn.scheduler.capacity.resource-calculator": (
            "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator"
        ),
    }


def write(paths: Paths, ports: Ports) -> None:
    """Write YARN's configuration, for clients and for daemons."""
    paths.yarn_dir.mkdir(exist_ok=True)
    write_files(paths.client_conf, {"yarn-site.xml": to_xml(client(ports))})
    write_files(
        paths.server_conf,
        {
            "yarn-site.xml": to_xml(server(paths, ports)),
            "capacity-scheduler.xml": to_xml(scheduler()),
        },
    )
