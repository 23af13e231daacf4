"""Cutting a text into SQL statements."""

from __future__ import annotations

import pytest

from batch.questions.statements import split_statements


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;", ["SELECT 1"]),
        (" SELECT 1 ;\n SELECT 2 ", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \"a;b\", `c;d`; SELECT 2", ["SELECT ';', \"a;b\", `c;d`", "SELECT 2"]),
        (r"SELECT 'it\'s; so'; SELECT 2", [r"SELECT 'it\'s; so'", "SELECT 2"]),
        ("SELECT 'it''s; so'; SELECT 2", ["SELECT 'it''s; so'", "SELECT 2"]),
        (r"SELECT r'\'; SELECT 2", [r"SELECT r'\'", "SELECT 2"]),
        ("SELECT 1 -- one; two\n; SELECT 2", ["SELECT 1 -- one; two", "SELECT 2"]),
        ("/* a; /* b; */ c; */ SELECT 1; -- end", ["/* a; /* b; */ c; */ SELECT 1"]),
        ("SELECT 4/2; SELECT 3-1", ["SELECT 4/2", "SELECT 3-1"]),
        ("SET a=1; BEGIN SELECT 1; SELECT 2; END;", ["SET a=1", "BEGIN SELECT 1; SELECT 2; END"]),
        (" ; -- nothing\n;/* nothing; */", []),
        ("SELECT 'open; SELECT 2", ["SELECT 'open", "SELECT 2"]),
    ],
)
def test_statements_end_at_semicolons_of_their_own(text: str, statements: list[str]) -> None:
    """A semicolon in a text, a name, a comment or a script ends nothing."""
    assert split_statements(text) == statements
