"""The files that are handed to Prometheus and Grafana, read as strictly as they read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tests.processes import ROOT

FOLDER = ROOT / "docs" / "monitoring"

# As Prometheus writes durations: 1d12h, 5m, 500ms; parts in this order, each at most once.
_DURATION = r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?"
Duration = Annotated[str, StringConstraints(pattern=f"^{_DURATION}$", min_length=2)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Strict(BaseModel):
    """What has a key that is not known is refused, as promtool does."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Annotations(Strict):
    """What somebody reads who is woken by an alert; this project's own three, each required."""

    summary: Text
    description: Text
    runbook_url: Text


class AlertRule(Strict):
    """An alerting rule, see Prometheus' documentation."""

    alert: Name
    expr: Text
    for_: Duration = Field("0s", alias="for")
    keep_firing_for: Duration = "0s"
    labels: dict[Name, Text] = {}
    annotations: Annotations


class RuleGroup(Strict):
    """A group of rules, evaluated one after the other."""

    name: Text
    interval: Duration = "1m"
    query_offset: Duration = "0s"
    limit: int = 0
    labels: dict[Name, Text] = {}
    rules: list[AlertRule] = Field(min_length=1)


class RuleFile(Strict):
    """A rule file; names of groups are unique in it."""

    groups: list[RuleGroup] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> RuleFile:
        groups = [group.name for group in self.groups]
        alerts = [rule.alert for group in self.groups for rule in group.rules]
        for names in (groups, alerts):
            if len(set(names)) < len(names):
                raise ValueError(f"a name comes twice among {names}")
        return self


class DataSource(Strict):
    """Which data source is asked: the one that the dashboard's reader chooses."""

    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class Target(BaseModel):
    """A query of a panel."""

    datasource: DataSource
    expr: Text
    refId: Name  # noqa: N815 - Grafana's name
    legendFormat: str  # noqa: N815


class Place(Strict):
    """Where a panel is, in a grid of 24 columns."""

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    w: int = Field(ge=1, le=24)
    h: int = Field(ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Place:
        if self.x + self.w > 24:
            raise ValueError("it goes beyond the 24th column")
        return self

    def cells(self) -> Iterator[tuple[int, int]]:
        """The squares of the grid that it covers."""
        yield from (
            (x, y) for x in range(self.x, self.x + self.w) for y in range(self.y, self.y + self.h)
        )


class Panel(BaseModel):
    """A panel: a number, a graph or a table."""

    id: int
    type: Literal["stat", "timeseries", "table"]
    title: Text
    description: Text
    datasource: DataSource
    gridPos: Place  # noqa: N815
    targets: list[Target] = Field(min_length=1)
    fieldConfig: dict[str, Any]  # noqa: N815
    options: dict[str, Any]


class Variable(BaseModel):
    """What the reader of a dashboard chooses."""

    name: Name
    type: Literal["datasource", "query"]
    query: str | dict[str, Any]


class Templating(Strict):
    """All of these."""

    list: list[Variable]


class Dashboard(BaseModel):
    """Grafana's JSON model of a dashboard, as it is imported: without the id of an installation."""

    id: None
    uid: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,40}$")]
    title: Text
    schemaVersion: int = Field(ge=36, le=42)  # noqa: N815
    tags: list[str]
    panels: list[Panel] = Field(min_length=1)
    templating: Templating
    time: dict[Literal["from", "to"], str]
    refresh: Duration

    @model_validator(mode="after")
    def _consistent(self) -> Dashboard:
        ids = [panel.id for panel in self.panels]
        cells = [cell for panel in self.panels for cell in panel.gridPos.cells()]
        if len(set(ids)) < len(ids):
            raise ValueError("two panels have one id")
        if len(set(cells)) < len(cells):
            raise ValueError("two panels overlap")
        return self


def read_rules() -> list[AlertRule]:
    """Read the alert rules."""
    text = (FOLDER / "alerts.yml").read_text("utf-8")
    found = RuleFile.model_validate(yaml.safe_load(text))
    return [rule for group in found.groups for rule in group.rules]


def read_dashboard() -> Dashboard:
    """Read the dashboard."""
    return Dashboard.model_validate(json.loads((FOLDER / "dashboard.json").read_text("utf-8")))


# Those that the files use; another one is added here, once it is known to exist.
FUNCTIONS = {
    "absent", "histogram_quantile", "increase", "label_values", "max", "min", "rate", "scalar",
    "sum", "vector",
}  # fmt: skip
_WORDS = {
    "and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool",
}  # fmt: skip
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(rf"\[({_DURATION}|\$__rate_interval)\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*')


def selectors(expr: str) -> list[tuple[str, dict[str, str]]]:
    """Find the metrics of a PromQL expression, each with the labels that it selects by.

    Raises:
        ValueError: a bracket is left open, or a function or a matcher is not known.
    """
    _balance(expr)
    rest = _LABELS.sub(" ", _RANGE.sub(" ", expr))
    if "[" in _QUOTED.sub("", rest):
        raise ValueError(f"a range is no duration: {expr}")
    found = []
    for match in _SELECTOR.finditer(_hide_matchers(rest)):
        name, at = match[1], match.end()
        if name in _WORDS:
            continue
        if match[2] is None and rest[at:].lstrip().startswith("("):
            if name not in FUNCTIONS:
                raise ValueError(f"{name} is no function that is known here: {expr}")
            continue
        found.append((name, _matchers(rest[match.start() : at])))
    return found


def _balance(expr: str) -> None:
    open_ones: list[str] = []
    pairs = {")": "(", "]": "[", "}": "{"}
    for char in _QUOTED.sub("", expr):
        if char in pairs.values():
            open_ones.append(char)
        elif char in pairs and (not open_ones or open_ones.pop() != pairs[char]):
            raise ValueError(f"a bracket is closed that is not open: {expr}")
    if open_ones:
        raise ValueError(f"a bracket is left open: {expr}")


def _hide_matchers(expr: str) -> str:
    """Put blanks for what is in quotes, so that everything stays where it is."""
    return _QUOTED.sub(lambda found: '"' + "0" * (len(found[0]) - 2) + '"', expr)


def _matchers(selector: str) -> dict[str, str]:
    inside = selector.partition("{")[2].removesuffix("}")
    labels: dict[str, str] = {}
    while inside:
        found = _MATCHER.match(inside)
        if not found:
            raise ValueError(f"{inside} is no matcher")
        labels[found[1]] = json.loads(found[3]) if found[2] == "=" else ""
        inside = inside[found.end() :].removeprefix(",")
    return labels
