"""The README as tests read it: the fenced blocks of its sections, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.processes import ROOT

TEXT = (ROOT / "README.md").read_text("utf-8")

TYPED = ("Your own first CSV", "Without the command line")
"""The sections of which a test types every block, in order."""

# A fence is matched whole, so that no line in it passes for a heading.
_PARTS = re.compile(r"^## (?P<title>.+)$|^```(?P<info>.*)\n(?P<body>(?s:.*?))^```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        section: the heading that it is below.
        info: what stands behind the fence. ``sh`` alone is for the reader's first terminal, a word
            after it says for which other one, or what it is about.
    """

    section: str
    info: str
    body: str


def blocks() -> Iterator[Block]:
    """Go through all blocks."""
    section = ""
    for part in _PARTS.finditer(TEXT):
        if part["title"]:
            section = part["title"]
        else:
            yield Block(section, part["info"], part["body"])
