"""The errors, in one tree: what stops the program, and what is worth trying again.

    FloError
    ├── TerminalError        stop, and say what to change          (exit 2)
    │   ├── ConfigError      settings or command line
    │   ├── ContractError    the data contract
    │   ├── AccessError      a permission is lacking
    │   ├── NotFoundError    a file, a table or a drop that is not there
    │   └── LockedError      another stream holds the table
    ├── TransientError       try again with backoff, then give up  (exit 3)
    │   └── ServiceError     HDFS, YARN or a port cannot be reached
    └── DropRejected         one drop is refused; the stream goes on

A message is one sentence or two: what is wrong with which path or column, and what to do.
"""

from __future__ import annotations


class FloError(Exception):
    """Base of all errors that are meant to be read by a user."""

    exit_code = 2


class TerminalError(FloError):
    """Trying again would not help: somebody has to change something first."""


class ConfigError(TerminalError):
    """A setting or an argument is wrong."""


class ContractError(TerminalError):
    """The data contract is wrong; the message names the file and the line."""


class AccessError(TerminalError):
    """The user of this program lacks a permission."""


class NotFoundError(TerminalError):
    """Something that was asked for by name does not exist."""


def no_tables(folder: str) -> NotFoundError:
    """Say that a lake has not been made."""
    return NotFoundError(f"There are no tables under {folder}; run `flo init` first.")


def no_table(name: str, folder: str) -> NotFoundError:
    """Say that one of a lake's tables is not there."""
    return NotFoundError(f"There is no table {name} under {folder}; run `flo init` first.")


class LockedError(TerminalError):
    """Another stream holds these tables; the message says who."""


class TransientError(FloError):
    """A service did not answer as it should; trying again may help."""

    exit_code = 3


class ServiceError(TransientError):
    """HDFS, YARN or a port cannot be reached."""


class DropRejected(FloError):  # noqa: N818 - a verdict, not a failure
    """One drop cannot be accepted.

    Args:
        code: stable, machine-readable reason such as ``empty_file``.
        message: the same for the supplier, as a sentence without personal data.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
