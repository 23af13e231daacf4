"""One stream at a time: a lock in HDFS that says who holds it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from lake.errors import LockedError, NotFoundError, TransientError
from lake.fs import FileSystem
from lake.reading import Files
from lake.settings import Settings

# A holder on another machine is believed alive while its lock is younger than this.
LEASE_SECONDS = 60


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock.

    Attributes:
        boot: identifies the running system, as process ids are only unique within one.
        created: when the process started, seconds since 1970, against reused process ids.
        application: Spark's application id, the same for each attempt on YARN.
    """

    host: str
    boot: str
    pid: int
    created: float
    user: str
    application: str
    token: str

    @classmethod
    def this_process(cls, application: str) -> Holder:
        """Describe the running process."""
        return cls(
            host=socket.gethostname(),
            boot=_boot_id(),
            pid=os.getpid(),
            created=psutil.Process().create_time(),
            user=getpass.getuser(),
            application=application,
            token=uuid.uuid4().hex,
        )

    def __str__(self) -> str:
        """Name the holder for a message."""
        return f"{self.user} on {self.host}, process {self.pid} ({self.application})"


class LockView:
    """The lock file ``checkpoints/lock``, to be looked at."""

    def __init__(self, files: Files, settings: Settings) -> None:
        """Name the lock of these settings; nothing is touched yet."""
        self._seen = files
        self.path = f"{settings.checkpoints}/lock"

    def holder(self) -> Holder | None:
        """Who holds the lock, alive or dead; None where nobody does."""
        text = self._seen.read_text(self.path)
        if text is None:
            return None
        try:
            return Holder(**json.loads(text))
        except (ValueError, TypeError):
            return None  # torn by a crash while it was written: nobody's

    def live_holder(self) -> Holder | None:
        """Who holds the lock, if that process still runs."""
        holder = self.holder()
        return holder if holder and self.is_alive(holder) else None

    def is_alive(self, holder: Holder, application: str = "") -> bool:
        """Tell whether a holder still runs.

        Args:
            holder: who is named in the lock.
            application: of the caller; an earlier attempt of that one does not run any more.
        """
        if application and holder.application == application and application.startswith("app"):
            return False  # an earlier attempt of this very YARN application
        if (holder.host, holder.boot) == (socket.gethostname(), _boot_id()):
            try:
                process = psutil.Process(holder.pid)
                # Dead, but nobody has asked what of: where the first process of a container does
                # not, it stays like that.
                ended = process.status() == psutil.STATUS_ZOMBIE
                return not ended and abs(process.create_time() - holder.created) < 1
            except psutil.NoSuchProcess:
                return False
        info = self._seen.status(self.path)
        return info is not None and time.time() - info.modified_ms / 1000 < LEASE_SECONDS


class StreamLock(LockView):
    """The lock file ``checkpoints/lock``, to be taken."""

    def __init__(self, files: FileSystem, settings: Settings) -> None:
        """Name the lock of these settings; nothing is touched yet."""
        super().__init__(files, settings)
        self._files = files
        self._claim: Holder | None = None
        self._mine: Holder | None = None
        self._refreshed = 0.0

    def acquire(self, application: str) -> None:
        """Take the lock; a dead holder's is taken over at once.

        Raises:
            LockedError: another stream is running; the message says who and how to stop it.
        """
        mine = self._claim = self._claim or Holder.this_process(application)
        text = json.dumps(asdict(mine))
        for _ in range(5):
            if self._files.write_text(self.path, text, overwrite=False):
                self._mine = mine
                self._refreshed = time.monotonic()
                return
            held = self.holder()
            if held == mine:  # written by a try whose answer was lost with the NameNode
                self._mine, self._refreshed = mine, time.monotonic()
                return
            if held is not None and self.is_alive(held, application):
                raise LockedError(
                    f"Another stream is running on these tables: {held}. "
                    "End it with `flo stop`, or choose another root with FLO_ROOT."
                )
            self._set_aside(held)
        raise TransientError(f"The lock {self.path} changes hands all the time; try again.")

    def refresh(self) -> None:
        """Show that this process is alive; call it more often than the lease lasts.

        Raises:
            LockedError: the lock was taken by somebody else in the meantime.
        """
        if self._mine is None or time.monotonic() - self._refreshed < LEASE_SECONDS / 4:
            return
        holder = self.holder()
        if holder is None or holder.token != self._mine.token:
            raise LockedError(f"The lock {self.path} is held by {holder} now; this stream ends.")
        self._files.touch(self.path)
        self._refreshed = time.monotonic()

    def release(self) -> None:
        """Give the lock back, if it is still this process's."""
        holder = self.holder()
        if self._mine and holder and holder.token == self._mine.token:
            self._files.delete(self.path)
        self._mine = None

    def _set_aside(self, dead: Holder | None) -> None:
        """Remove the lock of a dead holder, unless it has become somebody else's meanwhile."""
        aside = f"{self.path}.{uuid.uuid4().hex}"
        try:
            self._files.rename(self.path, aside)
        except NotFoundError:
            return
        taken = self._files.read_text(aside)
        if dead is not None and taken and json.loads(taken).get("token") != dead.token:
            self._files.rename(aside, self.path)
        else:
            self._files.delete(aside)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))
