"""Java and Scala, as far as Python has to name them: classes, Scala's objects and collections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=128)
def java_class(jvm: Any, name: str) -> Any:
    """Find a class by its full name.

    Written as a chain (``jvm.org.apache...``), each part would have Java look through all jars for
    a class of that name, each time. A name that is wrong is no error here but where it is used.
    """
    return getattr(jvm, name)


@lru_cache(maxsize=128)
def scala_object(jvm: Any, name: str) -> Any:
    """Find a Scala ``object``, or the companion of a class, by its full name."""
    return getattr(java_class(jvm, f"{name}$"), "MODULE$")


def to_list(jvm: Any, items: Any) -> list[Any]:
    """Turn a Scala sequence into a list."""
    return list(_converters(jvm).asJava(items))


def to_seq(jvm: Any, items: Iterable[Any]) -> Any:
    """Turn Java objects, or what becomes one, into a Scala ``Seq``."""
    made = java_class(jvm, "java.util.ArrayList")()
    for item in items:
        made.add(item)
    return _converters(jvm).asScala(made).toSeq()


def to_map(jvm: Any, items: Mapping[str, Any]) -> Any:
    """Turn a mapping into Scala's immutable ``Map``."""
    made = java_class(jvm, "java.util.HashMap")()
    for key, value in items.items():
        made.put(key, value)
    entries = _converters(jvm).asScala(made)
    return getattr(scala_object(jvm, "scala.collection.immutable.Map"), "from")(entries)


def _converters(jvm: Any) -> Any:
    return java_class(jvm, "scala.jdk.javaapi.CollectionConverters")
