"""What a client of the server may do, from ``allowed.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("allowed.toml")


@dataclass(frozen=True)
class Allowed:
    """The lists; whatever is on none of them is refused.

    Attributes:
        syntax: what a statement may be made of, by the names of the parser's classes.
        sources: what may be read besides the tables, by the names of the analyzer's classes.
        functions: names of functions and operators.
        databases: what may stand before a table's name.
        catalogs: what may stand before a database's.
        settings: names of settings, with a pattern that the whole of a value has to match.
    """

    syntax: frozenset[str]
    sources: frozenset[str]
    functions: frozenset[str]
    databases: frozenset[str]
    catalogs: frozenset[str]
    settings: dict[str, str]


def read_allowed() -> Allowed:
    """Read the lists; how they are grouped in the file is for its readers alone."""
    lists = tomllib.loads(_FILE.read_text("utf-8"))
    return Allowed(
        syntax=_flat(lists["syntax"]),
        sources=_flat(lists["sources"]),
        functions=_flat(lists["functions"]),
        databases=frozenset(lists["databases"]),
        catalogs=frozenset(lists["catalogs"]),
        settings=dict(lists["settings"]),
    )


def _flat(groups: dict[str, str]) -> frozenset[str]:
    return frozenset(name for names in groups.values() for name in names.split())
