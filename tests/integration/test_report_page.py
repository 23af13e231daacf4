"""The report in a real browser: light, dark, on a phone, from a file and without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batch.report import write_report
from batch.reporting.page import render_page
from tests.browser import Browser, find_browser
from tests.report_sample import EVIL, figures

if TYPE_CHECKING:
    from tests.lakes import DropLake

pytestmark = pytest.mark.integration

PHONE, DESK = 390, 1180
# Of each text: its colour and the colour behind it, as the reader sees them.
_CONTRASTS = """
(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = start => {
    for (let at = start; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = [99, ""];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest(".skip")) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") ? style.fill : style.color).slice(0, 3);
    const ground = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const contrast = (ground[0] + 0.05) / (ground[1] + 0.05);
    if (contrast < least[0]) least = [contrast, walker.currentNode.data];
  }
  return least;
})()
"""
# How many marks of charts can be seen: an area that is not empty, in a colour.
_DRAWN = """
[...document.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("path, line")]
  .filter(mark => {
    const style = getComputedStyle(mark), box = mark.getBoundingClientRect();
    const coloured = [style.fill, style.stroke].some(c => c.startsWith("rgb"));
    return coloured && box.width + box.height > 0;
  }).length)
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """Start a browser, where this machine has one."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium on this machine: the report is not opened")
    with Browser(program, tmp_path / "profile") as started:
        yield started


def said(browser: Browser) -> list[Any]:
    """List what the page asked for beside itself, and what the browser's console has."""
    events = [(each["method"], each["params"]) for each in browser.events]
    asked = [p["request"]["url"] for method, p in events if method == "Network.requestWillBeSent"]
    noisy = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    opened = ("Page.javascriptDialogOpening", "Page.windowOpen")
    return asked[1:] + [p for method, p in events if method in (*noisy, *opened)]


def fits(browser: Browser) -> bool:
    """Tell whether the page is no wider than the window."""
    width = browser.run("document.documentElement.scrollWidth")
    return bool(width <= browser.run("innerWidth"))


def keep(browser: Browser, name: str, clip: dict[str, float]) -> None:
    """Keep a picture for the documentation, if its directory is named."""
    if folder := os.environ.get("REPORT_PICTURES"):
        Path(folder, name).write_bytes(browser.picture(clip))


def test_whatever_a_supplier_writes_is_only_shown(browser: Browser, tmp_path: Path) -> None:
    """Names that are script, very long or alike neither run nor widen the page; all is legible."""
    names = (EVIL, "x" * 128, "x" * 127, "ÇĞİÖŞÜ çğıöşü", None, "")
    page = tmp_path / "report.html"
    page.write_text(render_page(figures(names)), "utf-8")

    for dark in (False, True):
        for width in (PHONE, DESK):
            browser.look(width=width, dark=dark)
            browser.open(page.as_uri())

            assert said(browser) == []
            assert fits(browser)
            contrast, text = browser.run(_CONTRASTS)
            assert contrast >= 4.5, (contrast, text, dark)


def test_a_reader_with_a_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    """Tab stops at each link, folded table and wide table; what has the focus is outlined."""
    page = tmp_path / "report.html"
    page.write_text(render_page(figures()), "utf-8")
    browser.look(width=PHONE)
    browser.open(page.as_uri())
    wanted = browser.run(
        "[...document.querySelectorAll('a, summary, .scroll')]"
        ".filter(each => each.checkVisibility()).length"
    )

    reached = set()
    for _ in range(wanted + 5):
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        place = browser.run(
            "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
            " + ' ' + getComputedStyle(document.activeElement).outlineStyle"
        )
        reached.add(place)

    assert len([each for each in reached if each.endswith(" solid")]) >= wanted


def test_the_report_of_a_lake_opens_with_its_charts(
    browser: Browser, lake: DropLake, tmp_path: Path
) -> None:
    """From drops to a page: charts are drawn in light and dark, and nothing is asked for."""
    take_some_drops(lake, tmp_path / "drops")
    page = tmp_path / "report.html"

    written = write_report(lake.spark, lake.settings, page)

    assert (len(written.drops.newest), written.drops_since_kpis) == (4, 0)
    for dark in (False, True):
        browser.look(width=DESK, height=1000, dark=dark)
        browser.open(page.as_uri())
        assert said(browser) == []
        drawn = browser.run(_DRAWN)
        assert len(drawn) >= 15
        assert min(drawn) >= 1, drawn
        scheme = "dark" if dark else "light"
        keep(browser, f"report-{scheme}.png", {"x": 0, "y": 0, "width": DESK, "height": 900})
    browser.look(width=PHONE, height=844)
    assert fits(browser)
    keep(browser, "report-phone.png", {"x": 0, "y": 0, "width": PHONE, "height": 1160})


def take_some_drops(lake: DropLake, folder: Path) -> None:
    """Take four invented drops in, with KPIs after each, and segment the customers."""
    import samples
    from batch.kpis_job import compute_kpis
    from batch.segments import compute_segments

    drops = samples.write_drops(folder, customers=3000, drops=4, rows=400, seed=7, layout="mixed")
    for number, path in enumerate(drops):
        lake.put(path.name, path.read_bytes(), modified_ms=1_790_000_000_000 + number * 1000)
        lake.take(path.name)
        compute_kpis(lake.spark, lake.settings)
    compute_segments(lake.spark, lake.settings)
