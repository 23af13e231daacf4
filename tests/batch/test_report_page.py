"""The page as text: what is in it, what is not, and how numbers are written."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from batch.report import check_target
from batch.reporting import numbers
from batch.reporting.courses import choose_moments
from batch.reporting.figures import Figures
from batch.reporting.page import render_page
from lake.errors import ConfigError, NotFoundError
from tests.report_sample import EVIL, figures

_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """What a browser would find: elements, visible text, and whether they are nested well."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that ends at once, as SVG has them."""
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Expect that the newest open element ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of all elements of one kind."""
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    """Render a page with everything in it."""
    return render_page(figures())


def test_any_text_shows_as_text() -> None:
    """A channel, a file or a reason may be any text: it is neither run nor lost."""
    plain = Page(render_page(figures(("Mobile",))))
    page = Page(render_page(figures((EVIL,))))

    assert [tag for tag, _ in page.found] == [tag for tag, _ in plain.found]
    assert page.all("script") == []
    assert "<script>alert(1)</script>&\"'\\x07" in page.texts
    assert any(text.startswith("<script>alert(1)</script") for text in page.texts)


def test_nothing_is_asked_of_a_network(html: str) -> None:
    """The file is all there is: no address outside, no script, and a policy that forbids both."""
    page = Page(html)
    addresses = [
        value
        for _, attributes in page.found
        for name, value in attributes.items()
        if name in ("href", "src", "xlink:href", "srcset", "action")
    ]

    assert addresses
    assert all(value and value.startswith("#") for value in addresses)
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html
    assert page.all("script") == []


def test_every_link_of_the_contents_leads_somewhere(html: str) -> None:
    """A reader with a keyboard jumps to each section; no address is there twice."""
    page = Page(html)
    anchors = [a["id"] for _, a in page.found if a.get("id")]

    assert len(anchors) == len(set(anchors))
    assert {str(link["href"])[1:] for link in page.all("a")} <= set(anchors)
    assert len(page.all("a")) == 10


def test_every_chart_and_table_has_a_name(html: str) -> None:
    """Who cannot see a chart is told its figures; who cannot use a mouse can scroll a table."""
    page = Page(html)
    charts, tables = page.all("svg"), page.all("table")

    assert len(charts) == 18
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    assert any("Mobile 1.2 M" in str(chart["aria-label"]) for chart in charts)
    assert all(chart.get("viewbox") and "width" not in chart for chart in charts)
    assert len(page.all("caption")) == len(tables) >= 10
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(tables)
    assert all(region["tabindex"] == "0" for region in regions)


def test_colours_are_left_to_the_page(html: str) -> None:
    """No chart has a colour of its own, so that all follow the reader into dark mode."""
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))

    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) <= {
        *("none", "transparent"),
        *(f"var(--c{number})" for number in range(1, 7)),
        *("var(--ink)", "var(--muted)", "var(--line)", "var(--card)"),
    }


def test_an_empty_lake_has_a_report_too() -> None:
    """Before the first drop each section says what is lacking, and which command gives it."""
    text = " ".join(Page(render_page(Figures(figures().made_at, 0, 0))).texts)

    assert "flo kpis" in text
    assert "flo segments" in text
    assert "No drop has been taken in yet" in text


def test_old_kpis_are_said_to_be_old() -> None:
    """Who reads KPIs that do not know the newest drops is told so."""
    text = "".join(Page(render_page(figures(drops_since_kpis=2))).texts)

    assert "The newest 2 drops are not in the KPIs yet; flo kpis" in text


def test_many_groups_do_not_drown_the_page() -> None:
    """Channels are an open set: of very many the largest are shown, and the reader is told."""
    page = Page(render_page(figures(tuple(f"channel {n}" for n in range(300)))))
    text = "".join(page.texts)

    assert "Of 300 channels the charts show the 12 with most revenue" in text
    assert len(page.found) < 6000


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.count(1234567), "1,234,567"),
        (numbers.money(Decimal("12345678901234567890123456789012345.67")),
         "12,345,678,901,234,567,890,123,456,789,012,345.67"),
        (numbers.money(Decimal("904")), "904.00"),
        (numbers.money(None), "–"),
        (numbers.short(Decimal("950")), "950"),
        (numbers.short(1234), "1.2 k"),
        (numbers.short(Decimal("123456789")), "123 M"),
        (numbers.share(1, 3), "33.3 %"),
        (numbers.share(1, 10**6), "< 0.1 %"),
        (numbers.share(10**6 - 1, 10**6), "> 99.9 %"),
        (numbers.share(0, 5), "0.0 %"),
        (numbers.share(5, 0), "–"),
        (numbers.change(100, 90), "−10.0 %"),
        (numbers.change(100, 100), "±0.0 %"),
        (numbers.change(0, 5), "–"),
        (numbers.label(None), "(missing)"),
        (numbers.label(""), "(empty)"),
        (numbers.label("a\nb"), "a\\x0ab"),
        (numbers.written(date(2026, 3, 7)), "7 March 2026"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_reading(written: str, expected: str) -> None:
    """Thousands have separators, money two decimals; a little is not nothing."""
    assert written == expected


def test_names_in_a_chart_are_short_and_differ() -> None:
    """Two long names that begin alike are two bars, not one."""
    made = numbers.labels(["x" * 40, "x" * 41, "x" * 23 + "…", "y"])

    assert len(set(made)) == 4
    assert made[0] == "x" * 23 + "…"


def test_moments_are_the_newest_of_each_number_of_drops() -> None:
    """A compaction is a version but no drop; of very many moments the first and last are shown."""
    assert choose_moments([2, 3, 5, 9], {2: 1, 4: 2, 9: 1}) == {3: 1, 5: 3, 9: 4}
    assert choose_moments([1], {2: 1}) == {}
    many = choose_moments(range(1, 1001), dict.fromkeys(range(1, 1001), 1))
    assert (len(many), min(many), max(many)) == (60, 1, 1000)


def test_where_no_file_can_be_is_found_out_first(tmp_path: Path) -> None:
    """A directory, or none, is said before anything is computed; an old report may be replaced."""
    with pytest.raises(ConfigError, match="is a directory"):
        check_target(tmp_path)
    with pytest.raises(NotFoundError, match="no directory"):
        check_target(tmp_path / "none" / "report.html")
    (tmp_path / "report.html").touch()
    check_target(tmp_path / "report.html")
