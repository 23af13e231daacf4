"""The numbers are served on this machine, and nothing about serving them stops a stream."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from lake.settings import Settings
from streaming.events import LandingSeen, StreamBegan, StreamWorks
from streaming.telemetry.endpoint import AGAIN_SECONDS, Endpoint
from streaming.telemetry.telemetry import Telemetry
from tests.clock import Clock

LOOPBACK = "127.0.0.1"


@pytest.fixture
def registry() -> CollectorRegistry:
    """Have one number."""
    registry = CollectorRegistry()
    Gauge("flo_answer", "A number.", registry=registry).set(42)
    return registry


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """Take a port away."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


def scrape(url: str | None) -> str:
    """Read the metrics as Prometheus does."""
    assert url is not None
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_it_serves_until_it_is_closed(registry: CollectorRegistry) -> None:
    """Opening twice is opening once; closed, it gives the port back."""
    endpoint = Endpoint(registry, LOOPBACK, 0)
    assert endpoint.url is None
    endpoint.open()
    url = endpoint.url
    endpoint.open()
    assert endpoint.url == url
    assert "flo_answer 42.0" in scrape(url)
    endpoint.close()
    endpoint.close()
    assert endpoint.url is None
    with pytest.raises(OSError, match="refused"):
        scrape(url)


def test_a_port_that_is_taken_is_told_once_and_tried_again_later(
    registry: CollectorRegistry, taken: socket.socket
) -> None:
    """The stream goes on; as soon as the port is free, some time later it serves."""
    clock = Clock()
    endpoint = Endpoint(registry, LOOPBACK, taken.getsockname()[1], clock=clock)
    with capture_logs() as logs:
        for _ in range(3):
            endpoint.open()
            clock.now += AGAIN_SECONDS
    assert [each["event"] for each in logs] == ["no metrics"]
    assert f"{LOOPBACK}:{taken.getsockname()[1]}" in str(logs)
    taken.close()
    endpoint.open()
    try:
        assert "flo_answer" in scrape(endpoint.url)
    finally:
        endpoint.close()


@pytest.mark.parametrize("address", ["no.such.host.invalid", "203.0.113.1", "a" * 64])
def test_an_address_that_is_not_this_machines_stops_nothing(
    registry: CollectorRegistry, address: str
) -> None:
    """A mistake in the settings is told, and costs the metrics alone."""
    with capture_logs() as logs:
        endpoint = Endpoint(registry, address, 0)
        endpoint.open()
    assert [each["event"] for each in logs] == ["no metrics"]
    assert endpoint.url is None


def test_without_an_address_nothing_is_served(registry: CollectorRegistry) -> None:
    """Empty switches it off, without a word."""
    with capture_logs() as logs:
        endpoint = Endpoint(registry, "", 0)
        endpoint.open()
    assert endpoint.url is None
    assert logs == []


def test_by_default_only_this_machine_is_served() -> None:
    """Loopback, unless told otherwise."""
    assert Settings().metrics_address == LOOPBACK


def test_it_serves_as_soon_as_the_stream_holds_its_lock_and_not_before() -> None:
    """A second stream, which is refused, must not take the first one's port."""
    telemetry = Telemetry(Settings(metrics_port=0))
    try:
        telemetry.tell(StreamWorks())
        assert telemetry.endpoint.url is None
        telemetry.tell(StreamBegan("local-1"))
        assert 'application="local-1"' in scrape(telemetry.endpoint.url)
        telemetry.tell(LandingSeen([]))
        assert "flo_pending_files 0.0" in scrape(telemetry.endpoint.url)
    finally:
        telemetry.endpoint.close()
