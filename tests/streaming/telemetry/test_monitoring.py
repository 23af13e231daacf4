"""The alert rules, the dashboard and their page name metrics that exist, and all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from pydantic import ValidationError
from typer.main import get_command

from flo.cli import app
from lake.settings import Settings
from streaming.events import StreamBegan
from streaming.phases import Phase
from streaming.telemetry.numbers import Numbers
from tests.processes import ROOT
from tests.streaming.telemetry.files import (
    FOLDER,
    RuleFile,
    read_dashboard,
    read_rules,
    selectors,
)

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
# Prometheus gives these to whatever it scrapes.
TARGET = {"job", "instance"}


def metrics() -> list[Metric]:
    """All that the stream serves."""
    numbers = Numbers("/flo")
    numbers.tell(StreamBegan("local-1"))
    return list(numbers.registry.collect())


def series() -> dict[str, dict[str, set[str]]]:
    """The names under which samples are served, and the values of each of their labels."""
    found: dict[str, dict[str, set[str]]] = {}
    for metric in metrics():
        for sample in metric.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def exposed(metric: Metric) -> str:
    """What people call a metric: as it is served, without what a histogram adds."""
    return metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of both files, and whose it is."""
    yield from ((rule.alert, rule.expr) for rule in read_rules())
    dashboard = read_dashboard()
    for panel in dashboard.panels:
        yield from ((panel.title, target.expr) for target in panel.targets)
    for variable in dashboard.templating.list:
        if variable.type == "query":
            assert isinstance(variable.query, dict)
            yield variable.name, re.sub(r",\s*\w+\)$", ")", variable.query["query"])


def test_what_is_asked_for_is_there() -> None:
    """Every metric that a rule or a panel names is served, with the labels that it asks for."""
    there = series()
    for whose, expr in expressions():
        asked = selectors(expr)
        assert asked, whose
        for name, labels in asked:
            assert name in there, f"{whose} names {name}"
            for label in labels.keys() - TARGET:
                values = there[name][label]
                assert labels[label] in {"", *values}, f"{whose} asks for {label}={labels[label]}"


def test_expressions_are_read_closely() -> None:
    """The check finds names beside all that PromQL puts around them, and refuses what is torn."""
    expr = (
        'sum without (outcome) (rate(flo_rows_total{outcome="a b}",job=~"x"}[1h30m])) '
        "/ on (job) group_left (version) flo_a > 0.01 and absent(flo_b == 1) or vector(0)"
    )
    assert selectors(expr) == [
        ("flo_rows_total", {"outcome": "a b}", "job": ""}), ("flo_a", {}), ("flo_b", {})
    ]  # fmt: skip
    for torn in ("sum(flo_a", "sum(flo_a]", "som(flo_a)", "flo_a{b}", "rate(flo_a[1x])"):
        with pytest.raises(ValueError, match=r"bracket|function|matcher|range"):
            selectors(torn)


def test_no_rule_file_is_taken_that_promtool_would_refuse() -> None:
    """A key that is not known, a duration that is none, a rule without an expression, a double."""
    text = (FOLDER / "alerts.yml").read_text("utf-8")
    RuleFile.model_validate(yaml.safe_load(text))
    for good, bad in (
        ("for: 5m", "for: 5 minutes"),
        ("for: 5m", "fore: 5m"),
        ("for: 5m", "for: 5"),
        ("alert: FloNoCommit", "alert: Flo No Commit"),
        ("alert: FloNoCommit", "alert: FloStreamDown"),
        ("expr: absent(flo_stream_up == 1)", "expression: absent(flo_stream_up == 1)"),
        ("severity: critical", "severity: 1"),
    ):
        assert good in text
        with pytest.raises(ValidationError):
            RuleFile.model_validate(yaml.safe_load(text.replace(good, bad, 1)))


def test_every_alert_says_what_to_type_and_where_to_read_on() -> None:
    """A command of `flo` that exists, a heading that exists, and how bad it is."""
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    for rule in read_rules():
        assert rule.labels["severity"] in ("critical", "warning"), rule.alert
        typed = re.findall(r"`flo (\w+)[^`]*`", rule.annotations.description)
        assert typed, rule.alert
        assert set(typed) <= commands, rule.alert
        path, _, anchor = rule.annotations.runbook_url.partition("#")
        assert anchor in anchors(ROOT / path), rule.alert
        for text in (rule.annotations.summary, rule.annotations.description):
            assert text.count("{{") == text.count("}}"), rule.alert
            for template in re.findall(r"{{(.*?)}}", text):
                assert re.fullmatch(r" \$(value \| humanize\w+|labels\.instance) ", template)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_metric_is_explained_with_its_labels() -> None:
    """The page has a row for each metric that is served and for no other."""
    rows = re.findall(r"^\| `(flo_\w+)` \|(.*?)\| (.+) \|$", PAGE, re.MULTILINE)
    explained = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels, _ in rows}
    served = {
        exposed(metric): {label for each in metric.samples for label in each.labels} - {"le"}
        for metric in metrics()
    }
    assert explained == served


def test_every_value_of_a_label_is_explained() -> None:
    """Phases have a table of their own, in their order; states and outcomes stand in their row."""
    table = PAGE.partition("| phase | what is done |\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", table, re.MULTILINE) == list(Phase)
    for name, label in (("flo_drops_total", "state"), ("flo_rows_total", "outcome")):
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}`")]
        for value in series()[name][label]:
            assert f"`{value}`" in row


def test_names_follow_the_conventions() -> None:
    """Prefix, base units, `_total` for counters alone; and no label that could name a person."""
    for metric in metrics():
        assert re.fullmatch(r"flo_[a-z_]+", metric.name), metric.name
        assert metric.documentation.endswith(".")
        assert not re.search(r"_(ms|millis|minutes|kb|mb|count|sum|total)$", metric.name)
        named = {label for sample in metric.samples for label in sample.labels}
        assert named <= {
            "state", "outcome", "phase", "le", "application", "host", "pid", "root", "version",
            "spark",
        }  # fmt: skip


def test_the_page_gives_the_defaults_that_the_settings_have() -> None:
    """Address, port, and the line that says where it serves."""
    settings = Settings()
    assert f"| `FLO_METRICS_ADDRESS` | `{settings.metrics_address}` |" in PAGE
    assert f"| `FLO_METRICS_PORT` | {settings.metrics_port} |" in PAGE
    assert f"at=http://{settings.metrics_address}:{settings.metrics_port}/metrics" in PAGE


def test_the_readme_lists_every_setting() -> None:
    """Each setting with its variable, and its default where that is a plain value."""
    text = (ROOT / "README.md").read_text("utf-8")
    for name in Settings.model_fields:
        assert re.search(rf"^\| `{name}` \| `[A-Z_]+`", text, re.MULTILINE), name
