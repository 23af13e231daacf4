"""Listens to a stream and its query, counts, and serves the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from lake.settings import Settings
from streaming.events import Event, LandingSeen, StreamBegan
from streaming.telemetry.endpoint import Endpoint
from streaming.telemetry.listener import listening
from streaming.telemetry.numbers import Numbers


class Telemetry:
    """The metrics of one stream, as its settings want them.

    Give :meth:`tell` to the stream, and run that within :meth:`listening`.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is served before the stream holds its lock."""
        self.numbers = Numbers(settings.path())
        self.endpoint = Endpoint(
            self.numbers.registry, settings.metrics_address, settings.metrics_port
        )

    def tell(self, event: Event) -> None:
        """Take an event of the stream or of its query."""
        self.numbers.tell(event)
        # Not sooner: a second stream on these tables, which is refused, would take the address.
        if isinstance(event, (StreamBegan, LandingSeen)):
            self.endpoint.open()

    @contextmanager
    def listening(self, spark: SparkSession) -> Iterator[None]:
        """Listen to the queries of a session, and serve, for the time of the block."""
        try:
            with listening(spark, self.tell):
                yield
        finally:
            self.endpoint.close()
