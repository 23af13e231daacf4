"""Descriptions of many files as Hadoop itself writes them down: one call, not ten for each.

Hadoop writes an array of ``FileStatus`` as its length, and each as the length of a message and the
message: ``FileStatusProto`` in its ``FSProtos.proto``, of which these fields are read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from
from typing import Any

from lake.java import java_class

_KIND, _PATH, _LENGTH, _PERMISSION, _OWNER, _MODIFIED = 1, 2, 3, 4, 5, 7
_DIRECTORY = 1
_WRITABLE = "org.apache.hadoop.io.Writable"
_VARINT, _BYTES = 0, 2

Status = tuple[str, int, int, bool, str, int]
"""Path with scheme and authority, size, modification time in ms, is it a directory, owner, mode."""


def write_statuses(jvm: Any, statuses: Any) -> bytes:
    """Have Java write an array of ``FileStatus`` down."""
    kind = java_class(jvm, "java.lang.Class").forName(_WRITABLE)
    # Py4J does not find a method that takes an array by one of a class below.
    writable = java_class(jvm, "java.lang.reflect.Array").newInstance(kind, len(statuses))
    java_class(jvm, "java.lang.System").arraycopy(statuses, 0, writable, 0, len(statuses))
    buffer = java_class(jvm, "java.io.ByteArrayOutputStream")()
    written = java_class(jvm, "org.apache.hadoop.io.ArrayWritable")(kind, writable)
    written.write(java_class(jvm, "java.io.DataOutputStream")(buffer))
    return bytes(buffer.toByteArray())


def read_statuses(data: bytes) -> Iterator[Status]:
    """Read what :func:`write_statuses` gave."""
    (count,) = unpack_from(">i", data)
    at = 4
    for _ in range(count):
        (size,) = unpack_from(">i", data, at)
        yield _status(dict(_fields(data[at + 4 : at + 4 + size])))
        at += 4 + size


def _status(fields: dict[int, Any]) -> Status:
    mode = dict(_fields(fields.get(_PERMISSION, b""))).get(1, 0)
    modified = fields.get(_MODIFIED, 0)
    return (
        fields[_PATH].decode(),
        fields.get(_LENGTH, 0),
        modified - 2**64 if modified >= 2**63 else modified,
        fields[_KIND] == _DIRECTORY,
        fields.get(_OWNER, b"").decode(),
        mode,
    )


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message in Google's Protocol Buffers: numbers, and bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == _BYTES:
            yield key >> 3, message[at : at + value]
            at += value
        elif key & 7 == _VARINT:
            yield key >> 3, value
        else:
            raise ValueError(f"a field of kind {key & 7} in a FileStatusProto")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
