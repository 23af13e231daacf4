"""What the README names is there; `test_newcomer.py` types what it tells people to type."""

from __future__ import annotations

import re

from pyspark.sql import SparkSession

from tests.commands import understand
from tests.processes import ROOT
from tests.readme import TEXT, TYPED, blocks

# What these blocks are about has tests of its own, not the newcomer's.
ELSEWHERE = {"sh notebook", "sh history", "sh cluster"}


def test_no_block_goes_untyped() -> None:
    """A block for a terminal is in a section that is typed, or says what else it is about."""
    for block in blocks():
        if block.info.partition(" ")[0] == "sh":
            assert block.section in TYPED or block.info in ELSEWHERE, block


def test_make_has_the_targets() -> None:
    """Each `make` that the README shows is a target."""
    targets = (ROOT / "Makefile").read_text("utf-8")
    named = re.findall(r"^make (\w+)", "".join(each.body for each in blocks()), re.MULTILINE)
    assert {"setup", "demo", "test", "dist"} <= set(named)
    for name in named:
        assert f"\n{name}:" in targets, name


def test_no_line_is_misspelt() -> None:
    """Each line of a block that runs `flo` is one that the command line understands."""
    for block in blocks():
        for line in re.findall(r'^flo (?:[^"\n]|"[^"]*")*', block.body, re.MULTILINE):
            assert understand(line), line


def test_each_picture_is_there_and_is_described() -> None:
    """A picture is a file of the repository, with words for whoever does not see it."""
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", TEXT)
    assert len(pictures) >= 2
    for words, path in pictures:
        assert len(words.split()) > 4, path
        assert (ROOT / path).is_file(), path


def test_every_column_of_every_table_is_named(spark: SparkSession) -> None:
    """The README names all tables and all their columns."""
    from lake.tables import TABLES

    for table in TABLES.values():
        if table.name == "customer_snapshots":
            continue  # described by the drop's own columns
        for column in (table.name, *table.column_names):
            assert f"`{column}`" in TEXT, f"{table.name}.{column}"
