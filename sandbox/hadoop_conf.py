"""The Hadoop configuration of a sandbox: what its clients read and what its daemons read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from sandbox.paths import Paths
from sandbox.ports import LOOPBACK

Properties = Mapping[str, object]
Ports = Mapping[str, int]


def fs_uri(ports: Ports) -> str:
    """Return the address of the sandbox's HDFS."""
    return f"hdfs://{LOOPBACK}:{ports['namenode']}"


def warehouse(ports: Ports) -> str:
    """Return where tables go that are made in a database with no place of its own."""
    return f"{fs_uri(ports)}/user/hive/warehouse"


def _at(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def client_core(ports: Ports) -> Properties:
    """Return what a client of the file system needs."""
    return {
        "fs.defaultFS": fs_uri(ports),
        # 40 tries, 250 ms apart: a restart of the NameNode is waited for, a NameNode that
        # stays away is reported after ten seconds.
        "ipc.client.connect.max.retries": 40,
        "ipc.client.connect.retry.interval": 250,
        "ipc.client.connect.timeout": 5000,
        "ipc.client.connect.max.retries.on.timeouts": 2,
    }


def client_hdfs() -> Properties:
    """Return what a writer to a one-node HDFS needs."""
    return {
        "dfs.replication": 1,
        "dfs.client.use.datanode.hostname": "false",
        # Closing a file asks the NameNode, first after 400 ms, whether the last block has
        # arrived. The delay doubles with each retry: starting at 5 ms takes more retries for
        # the same patience (5 ms x 2^12 = 20 s).
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 5,
        "dfs.client.block.write.locateFollowingBlock.retries": 12,
        # With one DataNode there is no other to put into a broken pipeline.
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
    }


def client_hive(ports: Ports) -> Properties:
    """Return where the table names live: a Derby server that many processes can use at once."""
    return {
        "javax.jdo.option.ConnectionURL": (
            f"jdbc:derby://{LOOPBACK}:{ports['metastore']}/metastore"
        ),
        "javax.jdo.option.ConnectionDriverName": "org.apache.derby.client.ClientAutoloadedDriver",
        # The tables are made by `up` (see metastore.sql), not by whoever comes first.
        "datanucleus.schema.autoCreateAll": "false",
        "hive.metastore.schema.verification": "false",
        "hive.metastore.warehouse.dir": warehouse(ports),
    }


def server_core(paths: Paths, ports: Ports) -> Properties:
    """Return the daemons' core settings."""
    return {
        "fs.defaultFS": fs_uri(ports),
        "hadoop.tmp.dir": paths.tmp,
        # Daemons are started together: the DataNode knocks until the NameNode opens.
        "ipc.client.connect.max.retries": 600,
        "ipc.client.connect.retry.interval": 100,
        "hadoop.http.idle_timeout.ms": 60000,
    }


def server_hdfs(paths: Paths, ports: Ports) -> Properties:
    """Return the settings of the NameNode and the DataNode."""
    return {
        **client_hdfs(),
        "dfs.namenode.rpc-address": _at(ports["namenode"]),
        "dfs.namenode.http-address": _at(ports["namenode_http"]),
        "dfs.datanode.address": _at(ports["datanode"]),
        "dfs.datanode.http.address": _at(ports["datanode_http"]),
        "dfs.datanode.ipc.address": _at(ports["datanode_ipc"]),
        "dfs.datanode.hostname": "localhost",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.name.dir": paths.name_dir.as_uri(),
        "dfs.datanode.data.dir": paths.data_dir.as_uri(),
        "dfs.permissions.enabled": "true",
        "dfs.namenode.acls.enabled": "true",
        # Out of safe mode means that files can be read and written.
        "dfs.namenode.safemode.min.datanodes": 1,
        "dfs.namenode.safemode.extension": 0,
        "dfs.heartbeat.interval": "1s",
        # A dead DataNode is known as dead after 2 x 10 s + 10 heartbeats, not after ten minutes.
        "dfs.namenode.heartbeat.recheck-interval": 10000,
        "dfs.namenode.handler.count": 8,
        # There is no secondary NameNode: a start writes a new image when the edits are many.
        "dfs.namenode.checkpoint.txns": 100000,
    }


def log_settings() -> str:
    """Return the daemons' log4j2 settings: a file each, that cannot grow without bound."""
    return """\
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = ${sys:flo.log}
appender.file.filePattern = ${sys:flo.log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %p %c{1}: %m%n%ex
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
logger.state.name = org.apache.hadoop.hdfs.StateChange
logger.state.level = warn
logger.trace.name = org.apache.hadoop.hdfs.server.datanode.DataNode.clienttrace
logger.trace.level = warn
logger.replica.name = org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.FsDatasetImpl
logger.replica.level = warn
logger.audit.name = org.apache.hadoop.hdfs.server.namenode.FSNamesystem.audit
logger.audit.level = warn
"""


def to_xml(properties: Properties) -> str:
    """Return a Hadoop configuration file."""
    body = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in properties.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n{body}</configuration>\n'


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write each file whole or not at all, and leave alone the ones that say the same already."""
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        draft = path.with_name(name + ".new")
        draft.write_text(text, "utf-8")
        draft.replace(path)


def write_hdfs(paths: Paths, ports: Ports) -> None:
    """Write the configuration of HDFS and of the metastore, for clients and for daemons."""
    write_files(
        paths.client_conf,
        {
            "core-site.xml": to_xml(client_core(ports)),
            "hdfs-site.xml": to_xml(client_hdfs()),
            "hive-site.xml": to_xml(client_hive(ports)),
        },
    )
    write_files(
        paths.server_conf,
        {
            "core-site.xml": to_xml(server_core(paths, ports)),
            "hdfs-site.xml": to_xml(server_hdfs(paths, ports)),
            "log4j2.properties": log_settings(),
        },
    )
