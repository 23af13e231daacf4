"""Descriptions of many files as Hadoop itself writes them down: one call, not ten for each.

An HDFS has a message for a whole listing, ``DirectoryListingProto`` in Hadoop's ``hdfs.proto``;
each file in it is an ``HdfsFileStatusProto``. Of another file system an array of ``FileStatus`` is
written: its length, and of each file the length of a message and the message, ``FileStatusProto``
in ``FSProtos.proto``. The two messages share the fields that are read here, but for the file's id,
which only HDFS has, and the path, which is the name alone in a listing of HDFS.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack_from
from typing import Any, NamedTuple

from lake.java import java_class

_KIND, _PATH, _LENGTH, _PERMISSION, _OWNER, _MODIFIED, _FILE_ID = 1, 2, 3, 4, 5, 7, 13
_DIRECTORY = 1
_ENTRY = 1
_WRITABLE = "org.apache.hadoop.io.Writable"
_OF_HDFS = "org.apache.hadoop.hdfs.protocol"
_VARINT, _BYTES = 0, 2


class Status(NamedTuple):
    """What is known of one file: its time in ms, and its id where the file system has one."""

    path: str
    size: int
    modified_ms: int
    is_dir: bool
    owner: str
    mode: int
    file_id: int | None


def write_statuses(jvm: Any, statuses: Any) -> bytes:
    """Have Java write an array of ``FileStatus`` down."""
    writable = _as_array_of(jvm, _WRITABLE, statuses)
    kind = java_class(jvm, "java.lang.Class").forName(_WRITABLE)
    buffer = java_class(jvm, "java.io.ByteArrayOutputStream")()
    written = java_class(jvm, "org.apache.hadoop.io.ArrayWritable")(kind, writable)
    written.write(java_class(jvm, "java.io.DataOutputStream")(buffer))
    return bytes(buffer.toByteArray())


def write_listing(jvm: Any, statuses: Any) -> bytes:
    """Have Java write an array of HDFS's own kind of ``FileStatus`` down."""
    array = _as_array_of(jvm, f"{_OF_HDFS}.HdfsFileStatus", statuses)
    listing = java_class(jvm, f"{_OF_HDFS}.DirectoryListing")(array, 0)
    convert = java_class(jvm, "org.apache.hadoop.hdfs.protocolPB.PBHelperClient").convert
    return bytes(convert(listing).toByteArray())


def read_statuses(data: bytes) -> Iterator[Status]:
    """Read what :func:`write_statuses` gave; paths have scheme and authority."""
    (count,) = unpack_from(">i", data)
    at = 4
    for _ in range(count):
        (size,) = unpack_from(">i", data, at)
        yield _status(dict(_fields(data[at + 4 : at + 4 + size])))
        at += 4 + size


def read_listing(data: bytes, path: str) -> Iterator[Status]:
    """Read what :func:`write_listing` gave of a directory, or of a file, with this path."""
    folder = path.rstrip("/")
    for field, value in _fields(data):
        if field == _ENTRY:
            status = _status(dict(_fields(value)))
            # The list of a file is the file itself, without a name.
            yield status._replace(path=f"{folder}/{status.path}" if status.path else path)


def _as_array_of(jvm: Any, name: str, statuses: Any) -> Any:
    """Py4J does not find a method that takes an array by one of another class."""
    kind = java_class(jvm, "java.lang.Class").forName(name)
    array = java_class(jvm, "java.lang.reflect.Array").newInstance(kind, len(statuses))
    java_class(jvm, "java.lang.System").arraycopy(statuses, 0, array, 0, len(statuses))
    return array


def _status(fields: dict[int, Any]) -> Status:
    modified = fields.get(_MODIFIED, 0)
    return Status(
        fields[_PATH].decode(),
        fields.get(_LENGTH, 0),
        modified - 2**64 if modified >= 2**63 else modified,
        fields[_KIND] == _DIRECTORY,
        fields.get(_OWNER, b"").decode(),
        dict(_fields(fields.get(_PERMISSION, b""))).get(1, 0),
        fields.get(_FILE_ID),
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
            raise ValueError(f"a field of kind {key & 7} in a description of a file")


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
