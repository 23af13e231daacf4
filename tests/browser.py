"""A real Chromium without a window, driven over a pipe by its own protocol (CDP)."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
)
_SECONDS = 60


def find_browser() -> str | None:
    """Find a Chromium on this machine; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page in a browser of its own; everything that it says is in ``events``."""

    def __init__(self, program: str, profile: Path) -> None:
        # The browser reads commands from its descriptor 3 and answers on 4, with NULs between.
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (reads, writes)]
        for end in (reads, writes):
            os.close(end)
        options = [*_QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # which root cannot have

        def take_ends() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *options, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            close_fds=False, preexec_fn=take_ends,
        )  # fmt: skip
        for end in ends:
            os.close(end)
        os.set_blocking(self._from, False)
        self._read = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        [page] = [
            each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page"
        ]
        attached = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the browser."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        os.close(self._to)
        os.close(self._from)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda said: said.get("id") == self._number, method)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Open a page and wait until all of it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=url)
        if not any(each["method"] == "Page.loadEventFired" for each in self.events):
            self._wait(lambda said: said.get("method") == "Page.loadEventFired", url)

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Choose the window's size in pixels, and light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page, and return its value."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def picture(self, clip: Mapping[str, float] | None = None) -> bytes:
        """Take a picture of the page, whole or the rectangle ``x, y, width, height``, as PNG."""
        if clip is None:
            clip = {"x": 0, "y": 0} | {
                side: self.run(f"document.documentElement.scroll{side.capitalize()}")
                for side in ("width", "height")
            }
        shot = self.ask(
            "Page.captureScreenshot", clip={**clip, "scale": 1}, captureBeyondViewport=True
        )
        return base64.b64decode(shot["data"])

    def _wait(self, is_it: Any, what: str) -> dict[str, Any]:
        """Read what the browser says up to a certain message; events are kept."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            message = self._next(until)
            if message is None:
                break
            if "method" in message:
                self.events.append(message)
            if is_it(message):
                return message
        raise AssertionError(f"the browser did not answer to {what} ({self._process.poll()})")

    def _next(self, until: float) -> dict[str, Any] | None:
        import select

        while b"\0" not in self._read:
            ready, _, _ = select.select([self._from], [], [], max(0, until - time.monotonic()))
            piece = os.read(self._from, 1 << 20) if ready else b""
            if not piece:
                return None
            self._read += piece
        said, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(said)
        return message
