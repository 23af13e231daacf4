"""Cutting a text into SQL statements."""

from __future__ import annotations

import re

# What a semicolon may stand in without ending a statement: texts, quoted names, comments.
_TOKEN = re.compile(
    r"""
      (?P<raw>    [rR](?:'[^']*'|"[^"]*") )
    | (?P<text>   '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `[^`]*` )
    | (?P<line>   --[^\n]* )
    | (?P<open>   /\* )
    | (?P<end>    ; )
    | (?P<other>  [^'"`;/\-rR]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_SCRIPT = re.compile(r"\s*BEGIN\b", re.IGNORECASE)


def split_statements(text: str) -> list[str]:
    """Cut at the semicolons that end a statement; what is only blank or comment is left out.

    A script (``BEGIN … END``) is one statement, as the semicolons in it are its own.

    Example:
        >>> split_statements("SELECT ';'; -- two; three\\nSELECT 2;")
        ["SELECT ';'", '-- two; three\\nSELECT 2']
    """
    statements: list[str] = []
    start, at, says = 0, 0, False
    while at < len(text):
        if not says and _SCRIPT.match(text, at):
            return [*statements, text[start:].strip().removesuffix(";")]
        token = _TOKEN.match(text, at)
        assert token is not None, "any character is a token"  # noqa: S101
        at = token.end()
        if token["open"]:
            at = _end_of_comment(text, at)
        elif token["end"]:
            if says:
                statements.append(text[start : at - 1].strip())
            start, says = at, False
        elif not token["line"]:
            says = says or bool(token.group().strip())
    return [*statements, text[start:].strip()] if says else statements


def _end_of_comment(text: str, at: int) -> int:
    """Find the end of a comment, which may hold others."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
