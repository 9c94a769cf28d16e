"""A report in a real Chromium: three widths, light and dark and on paper; nothing loaded, nothing broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

import etl
from tests.operations.report.support import DAY, month, page, run_page
from tests.support.workspace import Workspace

pytestmark = pytest.mark.browser

WIDTHS = (360, 768, 1280)
_SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
#: WCAG 2.2: contrast of text that is not large.
LEAST_CONTRAST = 4.5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as ``tests/support/install_browser.sh`` installs it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "no Chromium: run tests/support/install_browser.sh"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=_SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(eventful: etl.Config, folder: Path, tmp_path_factory, running_standin) -> dict[str, Path]:
    """Reports by name: of a period with every outcome, of its stopped run, of a month, and of nothing."""
    now = datetime.now(UTC)
    since, until = now - timedelta(days=2), now + timedelta(days=1)
    from etl.pipeline.wiring import state_of

    stopped = state_of(eventful).runs(eventful.pipeline)["run_id"][0]
    workspace = Workspace(tmp_path_factory.mktemp("month"), running_standin)
    workspace.config([{"name": "API usage"}])
    busy = workspace.load()
    end = month(busy.state_url(), busy)
    written = {
        "every outcome": page(eventful, since, until, with_events=True),
        "a stopped run": run_page(eventful, stopped),
        "a month": page(busy, DAY, DAY + timedelta(days=30), now=end),
        "nothing": page(busy, DAY - timedelta(days=9), DAY - timedelta(days=8)),
    }
    for name, html in written.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in written}


class Opened:
    """A page, what it said on the console, and what it asked for."""

    def __init__(self, opened: Page, path: Path) -> None:
        self.page = opened
        self.said: list[str] = []
        self.asked: list[str] = []
        self.stopped: list[tuple[str, str | None]] = []
        opened.on("console", lambda message: self.said.append(message.text))
        opened.on("pageerror", lambda error: self.said.append(str(error)))
        opened.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        opened.on("request", lambda request: self.asked.append(request.url))
        opened.on("requestfailed", lambda request: self.stopped.append((request.url, request.failure)))
        opened.goto(path.as_uri())


@pytest.fixture
def opened(browser: Browser) -> Iterator[object]:
    """Opens a file at a width and in a colour scheme."""
    contexts = []

    def open_(path: Path, width: int = 1280, scheme: str = "light") -> Opened:
        size = ViewportSize(width=width, height=900)
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        return Opened(contexts[-1].new_page(), path)

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", ["every outcome", "a stopped run", "a month", "nothing"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_cleanly(pages, opened, width: int, scheme: str, name: str) -> None:
    """No error, no request but for the file, nothing beside the page, also with everything unfolded."""
    found = opened(pages[name], width, scheme)
    unfold = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
    for script in (None, unfold):
        if script:
            found.page.evaluate(script)
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.said == []
    assert found.asked == [pages[name].as_uri()]
    assert found.page.locator("h1").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(pages, opened, scheme: str) -> None:
    """Contrast of every text against what is behind it."""
    found = opened(pages["every outcome"], scheme=scheme)
    weak = found.page.evaluate(_CONTRAST, LEAST_CONTRAST)
    assert weak == []


_CONTRAST = """(least) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parts(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const svg = element.namespaceURI.endsWith("svg");
    const style = getComputedStyle(element);
    const [a, b] = [light(parts(svg ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least) weak.push(`${element.tagName} ${element.textContent.slice(0, 30)} ${contrast}`);
  }
  return weak;
}"""


def column(found: Opened, label: str, heading: str) -> list[str]:
    """The cells of a table's column, in the order shown."""
    table = found.page.get_by_role("region", name=label, exact=True).locator("table")
    headings = [text.strip() for text in table.locator("thead th").all_inner_texts()]
    at = next(i for i, text in enumerate(headings) if text.split(" ↑")[0].split(" ↓")[0] == heading)
    return table.locator(f"tbody tr > :nth-child({at + 1})").all_inner_texts()


def figures(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "")) for cell in cells]


def test_tables_sort_by_mouse_and_keyboard(pages, opened) -> None:
    """Figures from the greatest, again from the least; names; what is sorted is told to screen readers."""
    found = opened(pages["a month"])
    region = found.page.get_by_role("region", name="List of runs", exact=True)
    before = figures(column(found, "List of runs", "billed"))
    region.get_by_role("button", name="billed").click()
    assert figures(column(found, "List of runs", "billed")) == sorted(before, reverse=True)
    assert region.locator("th[aria-sort=descending]").all_inner_texts() == ["billed"]
    region.get_by_role("button", name="billed").press("Enter")
    assert figures(column(found, "List of runs", "billed")) == sorted(before)
    region.get_by_role("button", name="status").press("Space")
    assert column(found, "List of runs", "status")[0].endswith("complete")
    region.get_by_role("button", name="status").click()
    assert column(found, "List of runs", "status")[0].endswith("stopped")


def test_durations_and_small_shares_sort_as_they_count(pages, opened) -> None:
    """``10 h`` before ``9 min``, ``<0.1 %`` last."""
    found = opened(pages["a month"])
    region = found.page.get_by_role("region", name="List of runs", exact=True)
    region.get_by_role("button", name="took").click()
    seconds = [
        float(cell)
        for cell in region.locator("td[data-v]").evaluate_all("cells => cells.map(c => c.dataset.v)")
    ]
    assert seconds == sorted(seconds, reverse=True)


def test_everything_can_be_reached_by_keyboard(pages, opened) -> None:
    """The first stop skips to the figures; regions that scroll, headings that sort and folds can be focused."""
    found = opened(pages["every outcome"], 360)
    found.page.keyboard.press("Tab")
    assert found.page.evaluate("document.activeElement.textContent") == "Skip to the figures"
    stops = set()
    for _ in range(120):
        found.page.keyboard.press("Tab")
        stops.add(found.page.evaluate("document.activeElement.tagName"))
    assert stops >= {"A", "BUTTON", "SUMMARY", "DIV"}


def test_it_is_told_to_screen_readers(pages, opened) -> None:
    """Landmarks, headings in order, a name for every plot and region, a language."""
    found = opened(pages["every outcome"])
    evaluate = found.page.evaluate
    assert evaluate("document.documentElement.lang") == "en"
    levels = [
        int(tag[1]) for tag in evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => h.tagName)")
    ]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in zip(levels, levels[1:], strict=False))
    unnamed = "[...document.querySelectorAll('svg:not([aria-hidden]), [role=region]')].filter((e) => !e.ariaLabel).length"
    assert evaluate(unnamed) == 0
    assert evaluate("document.querySelectorAll('main, header, nav, footer').length") == 4
    ids = evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    targets = evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.getAttribute('href').slice(1))"
    )
    assert set(targets) <= set(ids)


def test_hostile_names_run_nothing(pages, opened) -> None:
    """They show as text, and the policy would stop what got through."""
    found = opened(pages["every outcome"])
    assert found.page.get_by_text("</script><script>").count() > 0
    assert found.page.locator("script").count() == 1
    found.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=https://example.test/x onerror=alert(1)>')"
    )
    found.page.wait_for_function("document.images[0].complete")
    assert [line for line in found.said if "Content Security Policy" in line]
    assert found.stopped == [("https://example.test/x", "csp")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_and_shows_what_is_folded(pages, opened, scheme: str) -> None:
    """Also for those whose screen is dark."""
    found = opened(pages["every outcome"], scheme=scheme)
    found.page.emulate_media(media="print", color_scheme=scheme)
    style = "getComputedStyle(document.querySelector('{}')).{}"
    assert found.page.evaluate(style.format("section", "backgroundColor")) == "rgb(255, 255, 255)"
    assert found.page.evaluate(style.format("body", "color")) == "rgb(26, 32, 39)"
    assert found.page.evaluate(style.format("nav", "display")) == "none"
    found.page.set_viewport_size({"width": 720, "height": 1000})  # the width of A4 between its margins
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 720
    assert found.page.locator("details pre").first.evaluate("(e) => e.getBoundingClientRect().height") > 0
    assert len(found.page.pdf(format="A4")) > 10_000
    assert found.page.evaluate("document.querySelectorAll('details[open]').length") == 0


def test_a_long_table_is_shortened_on_paper(pages, opened) -> None:
    """And the page says so there, not on the screen."""
    found = opened(pages["a month"])
    note = found.page.get_by_text("The first 60 of 500 rows")
    assert not note.is_visible()
    found.page.emulate_media(media="print")
    assert note.is_visible()
    rows = found.page.get_by_role("region", name="List of runs", exact=True).locator("tbody tr")
    assert rows.evaluate_all("rows => rows.filter((row) => row.offsetHeight).length") == 60
