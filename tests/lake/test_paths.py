"""Paths and names as text."""

from __future__ import annotations

import pytest

from lake.paths import LONGEST_NAME, marked_name, plain_path


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("hdfs://host:1/flo/a b", "/flo/a b"),
        ("hdfs://host:1", "/"),
        ("file:/usr/lib", "/usr/lib"),
        ("file:///usr/lib", "/usr/lib"),
        ("/flo/a:b", "/flo/a:b"),
    ],
)
def test_scheme_and_authority_come_off(uri: str, path: str) -> None:
    """Whatever has none stays as it is."""
    assert plain_path(uri) == path


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("a.csv", "a~1.csv"),
        ("a.b.csv.gz", "a~1.b.csv.gz"),
        ("folder", "folder~1"),
        (f"{'m' * 251}.csv", f"{'m' * 249}~1.csv"),
        (f"{'ü' * 125}.csv", f"{'ü' * 124}~1.csv"),
        (f"a.{'b' * 249}.csv", f"a.{'b' * 247}~1.csv"),
    ],
)
def test_a_mark_comes_before_the_suffixes(name: str, marked: str) -> None:
    """Of a name that would be too long for HDFS, what is before the mark is cut."""
    assert marked_name(name, "~1") == marked
    assert len(marked.encode()) <= LONGEST_NAME
