"""Rows of a Spark result as Python values that mean the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from struct import pack
from typing import Any
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame
from pyspark.sql.types import (
    ArrayType,
    DataType,
    FloatType,
    MapType,
    StructType,
    TimestampType,
)

Read = Callable[[Any], Any]


def read_rows(frame: DataFrame) -> Iterator[list[Any]]:
    """Fetch the rows one partition at a time.

    PySpark hands a timestamp out without its zone, in the zone of the machine: it gets the
    session's zone here, at every depth. Structs become mappings by field name.
    """
    zone = ZoneInfo(frame.sparkSession.conf.get("spark.sql.session.timeZone") or "UTC")
    readers = [_reader(field.dataType, zone) for field in frame.schema.fields]
    for row in frame.toLocalIterator():
        yield [
            value if read is None or value is None else read(value)
            for read, value in zip(readers, row, strict=True)
        ]


def _reader(kind: DataType, zone: ZoneInfo) -> Read | None:
    """Choose how values of a type are read; None where they are good as they are."""
    if isinstance(kind, TimestampType):
        # Without a zone, Python takes the machine's, which is the one PySpark used.
        return lambda value: value.astimezone(zone)
    if isinstance(kind, FloatType):
        return _shortest_single
    if isinstance(kind, ArrayType):
        return _list_reader(_reader(kind.elementType, zone))
    if isinstance(kind, MapType):
        return _map_reader(_reader(kind.keyType, zone), _reader(kind.valueType, zone))
    if isinstance(kind, StructType):
        return _struct_reader({f.name: _reader(f.dataType, zone) for f in kind.fields})
    return None


def _list_reader(item: Read | None) -> Read | None:
    return None if item is None else lambda values: [_apply(item, value) for value in values]


def _map_reader(key: Read | None, item: Read | None) -> Read | None:
    if key is None and item is None:
        return None
    return lambda values: {_apply(key, k): _apply(item, v) for k, v in values.items()}


def _struct_reader(fields: dict[str, Read | None]) -> Read:
    return lambda row: {
        name: _apply(read, value) for (name, read), value in zip(fields.items(), row, strict=True)
    }


def _apply(read: Read | None, value: Any) -> Any:
    return value if read is None or value is None else read(value)


def _shortest_single(value: float) -> float:
    """Keep only the digits that a 32-bit number needs: 0.1, not 0.10000000149011612."""
    if not isfinite(value):
        return value
    exact = pack("f", value)
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((short for short in shorter if pack("f", short) == exact), value)
