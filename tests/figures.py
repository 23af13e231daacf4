"""Figures in the pages of docs/: between their markers, written by the programs themselves."""

from __future__ import annotations

from pathlib import Path

REPORT = Path(__file__).parents[1] / "docs" / "reliability.md"


def write_figures(name: str, figures: str, report: Path = REPORT) -> None:
    """Put figures between the markers of this name; the text around them stays.

    Raises:
        ValueError: the report has no such markers, or has them twice.
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    text = report.read_text("utf-8")
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{report.name} must have the lines {begin} and {end} once.")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    report.write_text(f"{head}{begin}\n{figures}\n{end}{tail}", "utf-8")
