"""On Ctrl-C Java's log falls silent first, and then what was to happen happens."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lake import interrupts
from lake.interrupts import hush_on_interrupt


def java(set_all_levels: Callable[[str, str], None]) -> Any:
    """Make a JVM with nothing but a log."""
    core = SimpleNamespace(
        config=SimpleNamespace(Configurator=SimpleNamespace(setAllLevels=set_all_levels))
    )
    log4j = SimpleNamespace(core=core, Level=SimpleNamespace(OFF="off"))
    return SimpleNamespace(
        org=SimpleNamespace(apache=SimpleNamespace(logging=SimpleNamespace(log4j=log4j)))
    )


@pytest.fixture
def happened() -> Iterator[list[str]]:
    """Note what happens on SIGINT; leave its handler as it was."""
    events: list[str] = []
    before = signal.signal(signal.SIGINT, lambda *_: events.append("interrupted"))
    yield events
    signal.signal(signal.SIGINT, before)


def test_all_of_javas_log_is_off_before_the_work_is_broken_off(happened: list[str]) -> None:
    """The root's name means every logger; asked for twice, it is done once."""
    jvm = java(lambda *levels: happened.append("".join(levels)))
    hush_on_interrupt(jvm)
    hush_on_interrupt(jvm)
    signal.raise_signal(signal.SIGINT)
    assert happened == ["off", "interrupted"]


def test_java_is_asked_on_another_threads_connection(happened: list[str]) -> None:
    """The main thread's may be in the middle of the very call that is broken off."""
    hush_on_interrupt(java(lambda *_: happened.append(threading.current_thread().name)))
    signal.raise_signal(signal.SIGINT)
    assert happened == ["flo-hush", "interrupted"]


def test_java_that_fails_or_hangs_keeps_nobody(
    happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is Ctrl-C, whatever the state that Java is in."""
    monkeypatch.setattr(interrupts, "_SECONDS", 0.05)
    never = threading.Event()

    def hang_or_fail(*_: str) -> None:
        never.wait()
        raise OSError

    hush_on_interrupt(java(hang_or_fail))
    signal.raise_signal(signal.SIGINT)
    never.set()
    signal.raise_signal(signal.SIGINT)
    assert happened == ["interrupted", "interrupted"]


@pytest.mark.usefixtures("happened")
def test_an_interrupt_that_is_ignored_stays_ignored() -> None:
    """As for a command that a shell has put into the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hush_on_interrupt(java(lambda *_: None))
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
