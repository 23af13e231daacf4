"""The address at which Prometheus finds the metrics; that it is taken never stops a stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, start_http_server

log = structlog.get_logger()

AGAIN_SECONDS = 30.0
"""How long to wait before an address that could not be had is tried again."""


class Endpoint:
    """Serves a registry over HTTP, under ``/metrics`` (and any other path)."""

    def __init__(
        self,
        registry: CollectorRegistry,
        address: str,
        port: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is served before :meth:`open`.

        Args:
            registry: the metrics.
            address: of this machine, by name or number; empty: nothing is ever served.
            port: 0 for any that is free.
            clock: seconds, from anywhere.
        """
        self._registry = registry
        self._address = address
        self._port = port
        self._clock = clock
        self._tried = -AGAIN_SECONDS
        self._told = False
        self._serving: tuple[WSGIServer, Thread] | None = None

    @property
    def url(self) -> str | None:
        """Where it serves; None where it does not."""
        if self._serving is None:
            return None
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self._serving[0].server_port}/metrics"

    def open(self) -> None:
        """Serve, if that is wanted and not yet so; call it often, it seldom does anything.

        Where the address cannot be had that is logged, once, and tried again later: the attempt
        before on the same machine may have it still.
        """
        if self._serving or not self._address or self._clock() - self._tried < AGAIN_SECONDS:
            return
        self._tried = self._clock()
        try:
            self._serving = start_http_server(self._port, self._address, self._registry)
        except (OSError, ValueError) as error:
            if not self._told:
                where = f"{self._address}:{self._port}"
                log.warning("no metrics", at=where, why=str(error), next="tried again later")
            self._told = True
            return
        log.info("metrics", at=self.url)

    def close(self) -> None:
        """Serve no longer, and give the address back."""
        if self._serving is None:
            return
        server, thread = self._serving
        self._serving = None
        server.shutdown()
        server.server_close()
        thread.join()
