"""Paths and names in a Hadoop file system, as text."""

from __future__ import annotations

import re

LONGEST_NAME = 255
"""Bytes of one part of a path, at most: ``dfs.namenode.fs-limits.max-component-length`` of HDFS."""

_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?")


def plain_path(uri: str) -> str:
    """Take scheme and authority off: ``hdfs://host:1/flo/x`` is ``/flo/x``."""
    return _ADDRESS.sub("", uri, count=1) or "/"


def marked_name(name: str, mark: str) -> str:
    """Put a mark before the suffixes of a file's name; a long name loses what would not fit."""
    stem, dot, suffix = name.partition(".")
    if len(f"{mark}{dot}{suffix}".encode()) >= LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
    room = LONGEST_NAME - len(f"{mark}{dot}{suffix}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore')}{mark}{dot}{suffix}"
