"""The log is one line an event, for people or for programs, and nothing breaks a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from flo.logs import configure_logs
from lake.errors import ConfigError
from lake.settings import Settings

Say = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Catch what goes to standard error since it was last asked for; leave structlog as it was."""
    before = structlog.get_config()
    yield lambda: capsys.readouterr().err
    structlog.configure(**before)


def log_a_batch() -> None:
    """Log an event as the stream does, with all kinds of values."""
    structlog.get_logger().info("batch", batch=7, seconds=3.25, reason=None, file='a "b" ş\n.csv')


def objects(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_people_read_pairs_on_one_line(said: Say) -> None:
    """Time in UTC, level and event come first; a line end within a value does not end the line."""
    configure_logs()
    log_a_batch()
    assert re.fullmatch(
        r"timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z level=info event=batch batch=7 "
        r'seconds=3\.25 reason= file="a \\"b\\" ş\\+n\.csv"\n',
        said(),
    )


def test_a_suppliers_file_name_does_not_move_the_cursor(said: Say) -> None:
    """Control characters are shown, not sent to the terminal."""
    configure_logs()
    structlog.get_logger().info("drop", file="a\r\x1b[2Jb\x9b.csv")
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]*\n", said())


def test_programs_read_one_object_a_line(said: Say) -> None:
    """Each line is JSON in ASCII, with numbers as numbers, whatever the terminal's encoding."""
    configure_logs("json")
    log_a_batch()
    structlog.get_logger().warning("odd", value=object)
    text = said()
    assert text.isascii()
    first, second = objects(text)
    assert list(first) == ["timestamp", "level", "event", "batch", "seconds", "reason", "file"]
    assert first["timestamp"].endswith("Z")
    del first["timestamp"]
    assert first == {
        "level": "info", "event": "batch", "batch": 7, "seconds": 3.25, "reason": None,
        "file": 'a "b" ş\n.csv',
    }  # fmt: skip
    assert second["level"] == "warning"


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_a_trace_is_shown_without_the_values_around_it(said: Say, log_format: str) -> None:
    """Asked for with FLO_DEBUG, a trace names lines; what variables hold may be a customer's."""
    configure_logs(log_format)
    hidden = "kanarienvogel"
    try:
        raise ConfigError(f"wrong by {len(hidden)}")
    except ConfigError:
        structlog.get_logger().exception("trace")
    text = said()
    if log_format == "json":
        text = objects(text)[0]["exception"]
    assert "Traceback" in text
    assert "ConfigError: wrong by 13" in text
    assert "test_a_trace_is_shown" in text
    assert hidden not in text


def test_the_format_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLO_LOG_FORMAT is human or json, and nothing else."""
    monkeypatch.delenv("FLO_LOG_FORMAT", raising=False)
    assert Settings.load().log_format == "human"
    monkeypatch.setenv("FLO_LOG_FORMAT", "json")
    assert Settings.load().log_format == "json"
    monkeypatch.setenv("FLO_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError, match="FLO_LOG_FORMAT"):
        Settings.load()
