"""Who holds something: a process, named so that others can tell whether it still runs."""

from __future__ import annotations

import getpass
import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock.

    Attributes:
        boot: identifies the running system, as process ids are only unique within one.
        created: when the process started, seconds since 1970, against reused process ids.
        application: Spark's application id, the same for each attempt on YARN.
        namespace: of its process ids: two containers of one host may share the host's name.
    """

    host: str
    boot: str
    pid: int
    created: float
    user: str
    application: str
    token: str
    namespace: str = ""

    @classmethod
    def this_process(cls, application: str) -> Holder:
        """Describe the running process."""
        host, boot, namespace = _place()
        return cls(
            host=host,
            boot=boot,
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            user=getpass.getuser(),
            application=application,
            token=uuid.uuid4().hex,
            namespace=namespace,
        )

    @classmethod
    def from_text(cls, text: str) -> Holder | None:
        """Read what :meth:`to_text` gave; None for anything else, such as half of it."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def to_text(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self))

    def runs(self) -> bool | None:
        """Tell whether it runs; None where its process ids are not those that are seen here."""
        if (self.host, self.boot, self.namespace) != _place():
            return None
        try:
            process = psutil.Process(self.pid)
            # Dead, but nobody has asked what of: where the first process of a container does
            # not, it stays like that.
            ended = process.status() == psutil.STATUS_ZOMBIE
            return not ended and abs(process.create_time() - self.created) < 1
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        """Name the holder for a message."""
        return f"{self.user} on {self.host}, process {self.pid} ({self.application})"


def _place() -> tuple[str, str, str]:
    """Where this process's id means something: the host, its boot, the namespace of ids."""
    return socket.gethostname(), _boot_id(), _namespace()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
