"""How a running stream is told to end: a signal, or a marker in HDFS."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any
from uuid import uuid4

from lake.errors import TransientError
from lake.fs import FileSystem
from lake.settings import Settings

# One SIGTERM to a process group reaches the JVM and Python: two deliveries of one request.
_SAME_REQUEST_SECONDS = 0.5
_PARENT_SECONDS = 0.25


class StopRequest:
    """Becomes set on SIGTERM, SIGINT or the stop marker; the second signal ends at once."""

    def __init__(self, files: FileSystem, settings: Settings) -> None:
        """Name the marker; nothing is looked for before :meth:`poll`."""
        self._files = files
        self._marker = stop_marker(settings)
        self._event = threading.Event()
        self._first = 0.0
        self.interrupted = False

    def __bool__(self) -> bool:
        return self._event.is_set()

    def poll(self) -> bool:
        """Look for the marker, too; tell whether the stream should end."""
        if not self._event.is_set() and self._files.exists(self._marker):
            self._event.set()
        return self._event.is_set()

    def clear_marker(self) -> None:
        """Take the marker away: the request has been met."""
        self._files.delete(self._marker)

    def listen(self, jvm: Any) -> None:
        """Take SIGTERM and SIGINT, in Python and in the JVM that ``spark-submit`` started.

        Left to itself the JVM would tear the Spark context down in the middle of a batch.
        """
        for name in ("TERM", "INT"):
            signal.signal(getattr(signal, f"SIG{name}"), self._on_signal)
            java_signal = jvm.sun.misc.Signal(name)
            jvm.sun.misc.Signal.handle(java_signal, _JavaHandler(self))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.request(interrupt=number == signal.SIGINT)

    def request(self, *, interrupt: bool) -> None:
        """Ask for the end; asked again, end at once. Nothing is lost: a batch can be repeated."""
        now = time.monotonic()
        if self._event.is_set() and self._first and now - self._first > _SAME_REQUEST_SECONDS:
            if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit's JVM started this process
                os.kill(os.getppid(), signal.SIGKILL)
            os._exit(130 if self.interrupted else 143)
        self._first = self._first or now
        self.interrupted = self.interrupted or interrupt
        self._event.set()


def end_with_parent() -> None:
    """End this process as soon as its parent, the JVM of ``spark-submit``, is gone.

    A driver whose JVM was killed can do nothing more, but its lock would look alive.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="flo-parent", daemon=True).start()


def stop_marker(settings: Settings) -> str:
    """Path of the file that asks a running stream to end."""
    return f"{settings.checkpoints}/stop"


def ask_to_stop(files: FileSystem, settings: Settings) -> None:
    """Put the marker where a running stream looks for it; asked already, nothing changes.

    It comes there whole, by a rename: a stream without work sees a marker as soon as it is made,
    and would take it away from under its writer.
    """
    marker = stop_marker(settings)
    whole = f"{marker}-{uuid4().hex}"
    files.write_text(whole, "stop\n")
    try:
        files.rename(whole, marker)
    except TransientError:
        files.delete(whole)
        if not files.exists(marker):
            raise


class _JavaHandler:
    """``sun.misc.SignalHandler``, called by the JVM through py4j."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop

    def handle(self, java_signal: Any) -> None:
        """Pass the signal on."""
        self._stop.request(interrupt=java_signal.getName() == "INT")

    class Java:
        """What py4j reads to make the proxy."""

        implements = ("sun.misc.SignalHandler",)
