"""Ctrl-C: what Java would log of the work that it breaks off is for nobody to read."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import Any

# Whoever has pressed Ctrl-C waits for no Java that does not answer.
_SECONDS = 2.0


def hush_on_interrupt(jvm: Any) -> None:
    """Have Java's log fall silent on SIGINT, before what happens on SIGINT now.

    Repeating it changes nothing; so does calling it in a thread that may set no handlers, or where
    the signal is ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    if current_thread() is main_thread() and callable(before) and not isinstance(before, _Hush):
        signal.signal(signal.SIGINT, _Hush(jvm, before))


class _Hush:
    """A handler of SIGINT, in front of another one."""

    def __init__(self, jvm: Any, before: Callable[[int, FrameType | None], Any]) -> None:
        log4j = jvm.org.apache.logging.log4j
        # Looked up now: each part of a name is a question to Java.
        self._set_all_levels = log4j.core.config.Configurator.setAllLevels
        self._off = log4j.Level.OFF
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        # A thread has a connection of its own: this one's may be in the middle of a call.
        thread = Thread(target=self._hush, name="flo-hush", daemon=True)
        thread.start()
        thread.join(_SECONDS)
        self._before(number, frame)

    def _hush(self) -> None:
        with suppress(Exception):  # Java may have ended already, which is as quiet
            self._set_all_levels("", self._off)
