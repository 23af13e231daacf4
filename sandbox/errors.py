"""The one error that the sandbox and the set-up raise."""

from __future__ import annotations

#: Wrong usage, settings or environment: the user has something to change.
USAGE = 2
#: A service (a daemon, a package registry) could not be reached.
UNREACHABLE = 3


class SandboxError(Exception):
    """Say in one sentence what is wrong and what to do; `exit_code` is for the command line."""

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
