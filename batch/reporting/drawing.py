"""Drawing: a Vega-Lite specification becomes an SVG that is part of the page.

Colours are names of the page's own CSS variables, so that a chart follows it into dark mode. A
chart has no script, asks for nothing, and is one sentence for a screen reader.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

Spec = dict[str, Any]

INK, MUTED, LINE, CARD = "var(--ink)", "var(--muted)", "var(--line)", "var(--card)"
COLOURS = tuple(f"var(--c{number})" for number in range(1, 7))
# In pixels; the page lets a chart shrink to a phone's width, where its text is still readable.
WIDTH = 380
_NAMESPACE = "http://www.w3.org/2000/svg"

_CONFIG = {
    # The whole picture has one description; parts of it would be read as noise.
    "aria": False,
    "background": None,
    "padding": 0,
    "font": "sans-serif",
    "view": {"stroke": None},
    "text": {"color": INK, "fontSize": 12},
    "axis": {
        "domain": False,
        "ticks": False,
        "grid": False,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "labelLimit": 240,
        "labelPadding": 6,
        "title": None,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": LINE,
    },
    "legend": {
        "orient": "top",
        "columns": 3,
        "columnPadding": 22,
        # From the left edge of the names, not of the bars.
        "layout": {"top": {"anchor": "start", "bounds": "full"}},
        "title": None,
        "labelColor": INK,
        "labelFontSize": 12,
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "offset": 8,
    },
}


def draw(spec: Spec, title: str, told: Sequence[str]) -> str:
    """Draw a chart.

    Args:
        spec: what Vega-Lite needs to know; without a width of its own it is as wide as all are.
        title: what is shown.
        told: its figures, as a screen reader says them.

    Returns:
        An ``svg`` element that fills the width it is given.
    """
    # Heavy, and needed by one command only.
    import vl_convert

    fitted = {"width": WIDTH, "autosize": {"type": "fit-x", "contains": "padding"}}
    full = {"config": _CONFIG} | (spec if "width" in spec else fitted | spec)
    drawn = vl_convert.vegalite_to_svg(json.dumps(full), allowed_base_urls=[])
    ElementTree.register_namespace("", _NAMESPACE)
    svg = ElementTree.fromstring(drawn)  # noqa: S314 - made by the library, from our own values
    for name in ("width", "height", "version"):
        svg.attrib.pop(name, None)
    svg.set("role", "img")
    svg.set("aria-label", f"{title}: {'; '.join(told)}." if told else f"{title}.")
    return ElementTree.tostring(svg, "unicode")
