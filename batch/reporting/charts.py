"""The charts, as Vega-Lite specifications; the figures of each are in a table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batch.reporting.drawing import CARD, COLOURS, INK, WIDTH, Spec, draw
from batch.reporting.figures import Course, Kpis, Name
from batch.reporting.numbers import Number, decimals, label, labels, money, short
from batch.reporting.parts import Chart

Bar = tuple[Name, Number, str]
"""A bar: its name, its size, and the size as it is written."""

Parted = tuple[str, Mapping[str, float]]
"""A bar made of parts: its name, and the size of each part by name."""

# In pixels: from one bar to the next, and the most that a character takes in the reader's font,
# which is not the one that the library measures with.
_STEP, _CHARACTER = 26, 7.4


def draw_bars(title: str, rows: Sequence[Bar], width: int = 24) -> Chart:
    """Draw a bar for each row, with its value written behind it.

    Args:
        title: what is shown.
        rows: name, size (0 or more), and the size as it is written.
        width: so many characters of a name are shown.
    """
    names = labels((name for name, _, _ in rows), width)
    texts = [text for _, _, text in rows]
    sizes = [float(size) for _, size, _ in rows]
    # The longest bar leaves room for the texts, which no axis knows of.
    bars = WIDTH - _measure(names)
    room = bars / max(1.0, bars - _measure(texts))
    x = {
        "field": "size",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, room * (max(sizes, default=0) or 1.0)]},
    }
    spec = {
        "data": {
            "values": [
                {"name": name, "size": size, "text": text}
                for name, size, text in zip(names, sizes, texts, strict=True)
            ]
        },
        "height": {"step": _STEP},
        "encoding": {"y": _names(names), "x": x},
        "layer": [
            {"mark": {"type": "bar", "color": COLOURS[0], "height": {"band": 0.66}}},
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"text": {"field": "text"}},
            },
        ],
    }
    told = [f"{name} {text}" for name, text in zip(names, texts, strict=True)]
    return Chart(title, draw(spec, title, told))


def draw_spread(title: str, kpis: Sequence[Kpis]) -> Chart:
    """Draw for each group from the lower to the upper quartile, with a mark at the median."""
    names = labels(row.name for row in kpis)
    rows = [
        {"name": name, "low": float(low), "median": float(median), "high": float(high)}
        for name, (_, low, median, high, _) in zip(
            names, (row.quartiles for row in kpis), strict=True
        )
    ]
    amount = {"type": "quantitative", "axis": {"grid": True, "tickCount": 4, "format": ",d"}}
    spec = {
        "data": {"values": rows},
        "height": {"step": _STEP},
        "encoding": {"y": _names(names)},
        "layer": [
            {
                "mark": {"type": "bar", "color": COLOURS[0], "opacity": 0.45, "height": 10},
                "encoding": {
                    "x": {"field": "low", "scale": {"zero": True}} | amount,
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "tick", "color": INK, "thickness": 2.5, "height": 16},
                "encoding": {"x": {"field": "median"} | amount},
            },
        ],
    }
    told = [f"{name} {money(row.quartiles[2])} TL" for name, row in zip(names, kpis, strict=True)]
    return Chart(title, draw(spec, f"{title}, medians", told), _SPREAD)


_SPREAD = (
    "From the lower to the upper quartile: half of the customers are in the bar. "
    "The mark is the median."
)


def draw_parts(
    title: str, bars: Sequence[Parted], *, whole: bool = False, colours: Sequence[str] = COLOURS
) -> Chart:
    """Draw bars that are made of parts, with a colour for each part; of six at most.

    Args:
        title: what is shown.
        bars: from top to bottom; their parts have names in common.
        whole: draw all bars equally long, and the parts as shares of them.
        colours: of the parts.
    """
    parts = list(dict.fromkeys(part for _, sizes in bars for part in sizes))
    rows = [
        {"name": name, "part": part, "size": size, "at": parts.index(part)}
        for name, sizes in bars
        for part, size in sizes.items()
    ]
    axis = {"format": ".0%" if whole else "~s", "tickCount": 4, "grid": True}
    spec = {
        "data": {"values": rows},
        "height": {"step": _STEP},
        "mark": {"type": "bar", "height": {"band": 0.66}, "stroke": CARD, "strokeWidth": 1},
        "encoding": {
            "y": _names([name for name, _ in bars]),
            "x": {
                "field": "size",
                "type": "quantitative",
                "stack": "normalize" if whole else "zero",
                "axis": axis,
            },
            "order": {"field": "at"},
            "color": _coloured("part", parts, colours),
        },
    }
    told = [
        f"{name}: " + ", ".join(f"{part} {_told(sizes, part, whole)}" for part in sizes)
        for name, sizes in bars
    ]
    return Chart(title, draw(spec, title, told))


def _told(sizes: Mapping[str, float], part: str, whole: bool) -> str:
    total = sum(sizes.values())
    return (
        f"{decimals(100 * sizes[part] / total if total else 0, 1)} %"
        if whole
        else short(sizes[part])
    )


def draw_course(title: str, course: Course) -> str:
    """Draw how a group's revenue moved: a line without numbers, which stand above and below."""
    rows = [{"drops": each.drops, "revenue": float(each.revenue)} for each in course.moments]
    hidden = {"type": "quantitative", "axis": None, "scale": {"zero": False, "nice": False}}
    spec = {
        "width": 160,
        "height": 44,
        "padding": {"left": 4, "right": 5, "top": 5, "bottom": 5},
        "encoding": {"x": {"field": "drops"} | hidden, "y": {"field": "revenue"} | hidden},
        "layer": [
            {
                "data": {"values": rows},
                "mark": {
                    "type": "line",
                    "color": COLOURS[0],
                    "strokeWidth": 1.75,
                    "strokeJoin": "round",
                },
            },
            {
                "data": {"values": rows[-1:]},
                "mark": {
                    "type": "point",
                    "filled": True,
                    "color": COLOURS[0],
                    "size": 36,
                    "opacity": 1,
                },
            },
        ],
    }
    ends = [course.moments[0], course.moments[-1]]
    told = [f"{short(each.revenue)} TL after {each.drops} drops" for each in ends]
    return draw(spec, f"{title}, {label(course.name)}", told)


def draw_drops(title: str, numbers: Sequence[int], series: Mapping[str, Sequence[int]]) -> Chart:
    """Draw one line over the drops for each series; logarithmic where the first drop towers.

    Args:
        title: what is shown.
        numbers: of the drops, growing.
        series: a count for each drop, by what is counted.
    """
    rows = [
        {"drop": number, "what": what, "rows": value}
        for what, values in series.items()
        for number, value in zip(numbers, values, strict=True)
    ]
    counts = sorted(value for values in series.values() for value in values) or [0]
    spec = {
        "data": {"values": rows},
        "height": 190,
        "mark": {"type": "line", "point": {"size": 28, "filled": True}, "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "drop",
                "type": "ordinal",
                "axis": {"title": "drop", "labelAngle": 0, "labelOverlap": True},
            },
            "y": {"field": "rows", "type": "quantitative"} | _counts(counts),
            "color": _coloured("what", list(series)),
        },
    }
    told = [f"{what} {sum(values):,} in all" for what, values in series.items()]
    return Chart(title, draw(spec, title, told))


def _counts(counts: Sequence[int]) -> Spec:
    """Choose an axis on which a full extract and a day's changes are both seen."""
    extent = _measure([f"{counts[-1]:,}"])
    axis: Spec = {"grid": True, "format": ",d", "tickCount": 5, "minExtent": extent}
    if counts[-1] <= 10 * max(1, counts[len(counts) // 2]):
        return {"axis": axis}
    powers = [0, *(10**power for power in range(1, len(str(counts[-1]))))]
    further = {"values": powers, "title": "logarithmic scale"}
    return {"axis": axis | further, "scale": {"type": "symlog", "domainMin": 0}}


def _names(names: Sequence[str]) -> Spec:
    axis = {"labelColor": INK, "minExtent": _measure(names)}
    return {"field": "name", "type": "nominal", "sort": None, "axis": axis}


def _measure(texts: Sequence[str]) -> float:
    """Tell how much room the longest text takes, with a little air."""
    return 10 + _CHARACTER * max(map(len, texts), default=0)


def _coloured(field: str, domain: Sequence[str], colours: Sequence[str] = COLOURS) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(domain), "range": list(colours[: len(domain)])},
    }
