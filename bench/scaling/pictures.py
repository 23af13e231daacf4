"""The pictures of docs/scaling.md: measured points, and the fitted line through them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from bench.scaling.measure import Point
from bench.scaling.model import Model

_SIZE = {"width": 460, "height": 260}
_CONFIG = {"background": "white", "font": "sans-serif", "axis": {"labelFontSize": 12,
           "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e4e4e4"},
           "legend": {"labelFontSize": 12, "title": None, "orient": "top"}}  # fmt: skip
_STEPS = 40

Row = tuple[float, float, str]
"""A point: how much there is of what grows, seconds, and to which line it belongs."""


def draw_all(folder: Path, drops: Sequence[Point], files: Sequence[Point], model: Model) -> None:
    """Write the pictures as SVG: seconds by customers, by rows of a drop, by files of a batch."""
    rows = sorted({each.rows for each in drops})
    sizes = sorted({each.customers for each in drops})
    save(
        folder / "scaling-customers.svg", "customers in the table",
        [(p.customers, p.seconds, f"{p.rows:,} rows") for p in drops],
        [(x, model.seconds(x, n), f"{n:,} rows") for n in rows
         for x in _between(min(sizes), max(p.customers for p in drops))],
    )  # fmt: skip
    save(
        folder / "scaling-rows.svg", "rows of a drop",
        [(p.rows, p.seconds, f"{p.customers:,} customers") for p in drops],
        [(x, model.seconds(n, x), f"{n:,} customers") for n in sizes
         for x in _between(min(rows), max(p.rows for p in drops if p.customers == n))],
    )  # fmt: skip
    per_file = files[0].rows / files[0].files
    save(
        folder / "scaling-files.svg", "files of a batch",
        [(p.files, p.seconds, "measured") for p in files],
        [(x, model.seconds(files[0].customers, x * per_file, x), "measured")
         for x in _between(1, max(p.files for p in files))],
    )  # fmt: skip


def save(file: Path, title: str, measured: Iterable[Row], fitted: Iterable[Row]) -> None:
    """Draw points and lines over one another; both axes grow by factors."""
    x = {"field": "x", "type": "quantitative", "title": title,
         "scale": {"type": "log"}, "axis": {"format": "~s", "tickCount": 5}}  # fmt: skip
    y = {"field": "y", "type": "quantitative", "title": "seconds of a batch",
         "scale": {"type": "log"}, "axis": {"tickCount": 6, "format": "~g"}}  # fmt: skip
    spec = {
        **_SIZE,
        "config": _CONFIG,
        "encoding": {"x": x, "y": y, "color": {"field": "line", "type": "nominal", "sort": None}},
        "layer": [
            {"data": _values(fitted), "mark": {"type": "line", "strokeWidth": 1.5}},
            {"data": _values(measured), "mark": {"type": "point", "filled": True, "size": 60}},
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(vl_convert.vegalite_to_svg(json.dumps(spec), allowed_base_urls=[]), "utf-8")


def _values(rows: Iterable[Row]) -> dict[str, Any]:
    return {"values": [{"x": x, "y": y, "line": line} for x, y, line in rows]}


def _between(low: float, high: float) -> list[float]:
    factor = (high / low) ** (1 / _STEPS) if high > low else 1.0
    return [low * factor**step for step in range(_STEPS + 1)]
