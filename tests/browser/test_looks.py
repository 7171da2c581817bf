"""What everybody must be able to read, reach and press: contrast, names, order, sizes, widths, in light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import loaded, open_tab, train_own_photos
from tests.browser.test_every_press import TABS, UNFOLD, settled
from tests.serving import Server

Visit = Callable[..., Page]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
TOUCH = 44  # pixels, of whatever is tapped on a phone
CUT_OFF = """() => [...document.querySelectorAll('main button, main h1, main h2, main p, main label')]
  .filter((part) => part.offsetParent && part.getBoundingClientRect().right > window.innerWidth + 1
          && !part.closest('[tabindex="0"], .table-wrap, table'))
  .map((part) => part.outerHTML.slice(0, 120))"""
SMALL = """() => [...document.querySelectorAll('main button')]
  .filter((part) => part.offsetParent && !part.closest('.tl-plot, .grid-container, table, .icon-button-wrapper'))
  .map((part) => [part.innerText || part.getAttribute('aria-label'), part.getBoundingClientRect().height])
  .filter(([, height]) => height < 44)"""

COVERED = """() => [...document.querySelectorAll('main input[role=combobox]')]
  .filter((part) => part.offsetParent && part.parentElement.querySelector('.dropdown-arrow'))
  .filter((part) => part.getBoundingClientRect().right - parseFloat(getComputedStyle(part).paddingRight)
          > part.parentElement.querySelector('.dropdown-arrow').getBoundingClientRect().left + 1)
  .map((part) => part.value)"""

# Words that have so little room beside others that they are read letter by letter.
SQUEEZED = """() => [...document.querySelectorAll('main :is(p, span, h1, h2, h3, button, label, td, th, li, a)')]
  .filter((part) => part.offsetParent && part.innerText.trim().length > 11)
  .map((part) => [part.innerText, part.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 60 && height > 2 * width)
  .map(([words]) => words)"""


def violations(page: Page) -> list[Any]:
    """What axe finds, in short."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        (rule["id"], node["target"], node["html"][:160], node["failureSummary"][:200])
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_tab(
    scheme: Any, browser: Browser, visit: Visit, server: Server, tmp_path: Path
) -> None:
    context = browser.new_context(
        viewport={"width": 1280, "height": 1000}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = visit(server.url, context)
    settled(page)
    found = {"doors": violations(page)}
    train_own_photos(page, tmp_path / "in", 4)
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Report":
            expect(page.locator("#report-matrix")).to_contain_text("What it confuses")
        settled(page)
        for _ in range(2):
            page.evaluate(UNFOLD)
            settled(page)
        found[tab] = violations(page)
    context.close()
    assert {tab: what for tab, what in found.items() if what} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_within_its_width_and_large_enough_to_tap(
    scheme: Any, browser: Browser, visit: Visit, server: Server, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)
    page = visit(server.url, context)
    train_own_photos(page, tmp_path / "in", 4)
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Report":
            expect(page.locator("#report-matrix")).to_contain_text("What it confuses")
        settled(page)
        page.evaluate(UNFOLD)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
        assert page.evaluate(CUT_OFF) == [], tab
        assert page.evaluate(SMALL) == [], tab
        assert page.evaluate(COVERED) == [], tab
        assert page.evaluate(SQUEEZED) == [], tab
    context.close()


def test_the_keyboard_goes_through_the_path_in_its_order(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    page.locator("body").press("Tab")
    order = []
    for _ in range(40):
        order.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
        page.keyboard.press("Tab")
    doors = [order.index(door) for door in ("door-own", "door-zip", "door-example")]
    assert doors == sorted(doors)
    assert order.index("photos-train") > doors[-1]
    page.locator("#door-own").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card-1")).to_be_visible()
    loaded(page)
