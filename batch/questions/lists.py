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
        plans: the steps of a question, and commands, by the names of their classes.
        of_delta: those of them that only Delta can ask for; its functions are its own affair.
        functions: names of functions and operators.
        databases: what may stand before a table's name.
        catalogs: what may stand before a database's.
        settings: names of settings, with a pattern that the whole of a value has to match.
    """

    plans: frozenset[str]
    of_delta: frozenset[str]
    functions: frozenset[str]
    databases: frozenset[str]
    catalogs: frozenset[str]
    settings: dict[str, str]


def read_allowed() -> Allowed:
    """Read the lists; how they are grouped in the file is for its readers alone."""
    lists = tomllib.loads(_FILE.read_text("utf-8"))
    return Allowed(
        plans=_flat(lists["plans"]),
        of_delta=frozenset(lists["plans"]["sources_of_delta"].split()),
        functions=_flat(lists["functions"]),
        databases=frozenset(lists["databases"]),
        catalogs=frozenset(lists["catalogs"]),
        settings=dict(lists["settings"]),
    )


def _flat(groups: dict[str, str]) -> frozenset[str]:
    return frozenset(name for names in groups.values() for name in names.split())
