"""Every button and field of the page, pressed one by one: a sentence or a change must be seen.

Nothing here names a control: those that a tab shows are found in the page, so a new one falls under this by itself.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from tests.browser.conftest import loaded, make_data, open_tab, train_own_photos
from tests.serving import Server

TABS = ("Photos", "Train", "Predict", "Report", "Runs")
# Each visible control of the whole page or of its open tab, with a key that finds it again in another page of the same
# state. Left out are thumbnails but the first of each gallery, what is chosen already, and Gradio's own footer.
FIND = """(whole) => {
  const seen = {}, found = [];
  const parts = document.querySelectorAll('main button, main input, main textarea');
  for (const part of parts) {
    const box = part.getBoundingClientRect();
    if (!part.offsetParent || !box.width || part.disabled || part.closest('footer') || part.type === 'file') continue;
    if (part.closest('.visually-hidden')) continue;  // Gradio measures its tabs by them
    if (!whole && !part.closest('[role=tabpanel]')) continue;
    if (part.readOnly || part.getAttribute('aria-selected') === 'true') continue;
    if (part.checked && part.type === 'radio' || part.classList.contains('selected')) continue;
    if (part.closest('.thumbnail-item, .gallery-item') && part.closest('.grid-container, .gallery')
        ?.querySelector('button') !== part) continue;
    const owner = part.closest('[id]:not([id^=component]):not([id^=html-])')?.id || '';
    const name = part.getAttribute('aria-label') || part.innerText || part.placeholder || part.value || part.type;
    const key = `${owner} ${part.tagName} ${name.trim().slice(0, 40)}`;
    seen[key] = (seen[key] || 0) + 1;
    part.dataset.walk = `${key} ${seen[key]}`;
    found.push(part.dataset.walk);
  }
  return found;
}"""
UNFOLD = """() => document.querySelectorAll('main button.label-wrap:not(.open)').forEach(
  (button) => { if (button.offsetParent) button.click(); })"""
# What a person can see of the page: its text, its shapes, what is marked, chosen and typed; not that Gradio tells
# screen readers "complete" after every event, with or without an effect.
LOOK = """() => {
  const typed = [...document.querySelectorAll('input, textarea')].map((part) => part.value + part.checked);
  const shapes = document.body.outerHTML.replace(/ data-walk="[^"]*"|common\\.\\w+/g, '');
  const look = shapes + typed.join('|') + Math.round(window.scrollY);
  let one = 0xdeadbeef, other = 0x41c6ce57;  // a hash: to send megabytes for each look took most of the time
  for (let place = 0; place < look.length; place++) {
    one = Math.imul(one ^ look.charCodeAt(place), 2654435761);
    other = Math.imul(other ^ look.charCodeAt(place), 1597334677);
  }
  return `${look.length} ${one} ${other}`;
}"""
# Whether the page has not changed for a while; to know when it did costs next to nothing, a look a tenth of a second.
STILL = """() => {
  if (window.changed === undefined) {
    window.changed = performance.now();
    new MutationObserver(() => { window.changed = performance.now(); }).observe(
      document, {subtree: true, childList: true, attributes: true, characterData: true});
  }
  return performance.now() - window.changed > 300;
}"""


@dataclass
class Prepared:
    """A server's folders as they were, and the browser they belong to."""

    server: Server
    kept: Path
    storage: Any

    def again(self) -> None:
        """As it was when it was kept."""
        for name in ("uploads", "runs"):
            shutil.rmtree(self.server.folder / name, ignore_errors=True)
            # The server may have made it anew meanwhile.
            shutil.copytree(self.kept / name, self.server.folder / name, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page of its own, whose folders are put back before each press."""
    running = Server(tmp_path_factory.mktemp("walked"), flags=("--no-spare",))
    make_data(running.folder / "data" / "colours")
    yield running.start()
    running.stop()


@pytest.fixture(scope="module")
def owner(browser: Browser, walked: Server, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Somebody with a data set of two classes and a training."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(walked.url)
    loaded(page)
    train_own_photos(page, tmp_path_factory.mktemp("photos") / "in", 3)
    expect(page.locator("#current-words")).to_contain_text("right")
    open_tab(page, "Report")
    expect(page.locator("#report-matrix")).to_contain_text("What it confuses")
    storage = context.storage_state()
    context.close()
    kept = tmp_path_factory.mktemp("kept")
    for name in ("uploads", "runs"):
        shutil.copytree(walked.folder / name, kept / name)
    return Prepared(walked, kept, storage)


def settled(page: Page) -> str:
    """The page once it has stopped changing by itself."""
    with contextlib.suppress(TimeoutError):
        page.wait_for_function(STILL, polling=50, timeout=10_000)
    look: str = page.evaluate(LOOK)
    return look


def ready(page: Page, url: str, tab: str, *, filled: bool) -> None:
    """Open a tab with everything unfolded, and filled in if asked."""
    page.goto(url)
    loaded(page)
    unfolded(page, tab)
    if filled:
        fill_in(page)


def unfolded(page: Page, tab: str) -> None:
    """Go to a tab, if need be, and open all that it folds."""
    if page.get_by_role("tab", name=tab, exact=True).get_attribute("aria-selected") != "true":
        open_tab(page, tab)
    settled(page)
    for _ in range(2):  # one may hold another
        page.evaluate(UNFOLD)
        settled(page)


def fill_in(page: Page) -> None:
    """Mark, pick and type, so that what needs it can go on."""
    while (button := page.locator("button:visible", has_text="Mark all here")).count():
        button.first.click()  # which then says "Mark none here"
        settled(page)
    if page.locator("#runs-list [data-run]").first.is_visible():
        page.locator("#runs-list [data-run]").first.click()
        expect(page.locator("#one-run")).to_be_visible()
    for chosen in ("#runs-list", "#things-list"):
        if page.locator(f"{chosen} input").first.is_visible():
            page.locator(f"{chosen} input").first.check()
            settled(page)
    for name in ("#title", "#run-title"):
        typed = page.locator(f"{name} textarea, {name} input").first
        if typed.is_visible():
            typed.fill("Another name")
    settled(page)


def press(page: Page, key: str) -> None:
    """Press a button, tick a box, choose, or type into a field and leave it."""
    part = page.locator(f"[data-walk={quoted(key)}]").first
    kind = part.evaluate("part => part.tagName + ' ' + (part.type || '')")
    if kind.startswith(("TEXTAREA", "INPUT text", "INPUT number")) and not part.evaluate(
        "part => Boolean(part.closest('[role=listbox], .wrap-inner'))"
    ):
        part.fill("7" if "number" in kind else "zz")
        part.blur()
    else:
        part.click(timeout=30_000)


def quoted(key: str) -> str:
    """A key as a selector's string."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
    return f'"{escaped}"'


def answered(page: Page, key: str) -> bool:
    """Whether a press is followed by a change that stays, a file picker, or a download."""
    events: list[Any] = []
    page.on("filechooser", lambda chooser: events.append(chooser))
    page.on("download", lambda download: events.append(download))
    page.locator(f"[data-walk={quoted(key)}]").first.evaluate("part => part.scrollIntoView({block: 'center'})")
    before = settled(page)
    try:
        press(page, key)
    except TimeoutError:  # something lies over it
        return False
    for _ in range(16):
        page.wait_for_timeout(200)
        if events or settled(page) != before:
            return True
    return False


@dataclass
class Walk:
    """A tab as it is found in one state, each of whose controls is pressed once."""

    page: Page
    tab: str
    make: Callable[[], None]  # brings the page into that state
    whole: bool = False  # what is above the tabs too
    done: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)  # those that gave no answer

    def keys(self) -> list[str]:
        """Of the controls that there are now."""
        found: list[str] = self.page.evaluate(FIND, self.whole)
        return found

    def go(self) -> None:
        """Press one after another; the page is made anew for those that earlier presses have taken away."""
        while True:
            self.make()
            keys = self.keys()
            if not (left := [key for key in keys if key not in self.done]):
                return
            for key in left:
                if self.keys() != keys:
                    self._close()
                if key in self.keys():
                    self.done.add(key)
                    self.silent += [] if answered(self.page, key) else [key]

    def _close(self) -> None:
        """Leave what a press has opened, where it can be left."""
        with contextlib.suppress(TimeoutError):
            self.page.keyboard.press("Escape")
            unfolded(self.page, self.tab)


# Before the first training Train has what it has later, and Report and Runs have nothing to press.
STATES = [("nothing yet", "Photos"), ("nothing yet", "Predict"), *(("own", tab) for tab in TABS)]
STATES += [("own, filled in", "Photos"), ("own, filled in", "Runs")]  # where there is something to mark, pick or name


@pytest.mark.parametrize(("state", "tab"), STATES)
def test_every_press_is_answered(state: str, tab: str, browser: Browser, walked: Server, owner: Prepared) -> None:
    said: list[str] = []
    fresh = state == "nothing yet"
    context = browser.new_context(
        viewport={"width": 1280, "height": 1000},
        storage_state=None if fresh else owner.storage,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    page.on("pageerror", lambda error: said.append(str(error)))

    def make() -> None:
        owner.again()
        if fresh and page.url != "about:blank":
            page.evaluate("localStorage.clear()")
        if not fresh and page.url != "about:blank":
            kept = owner.storage["origins"][0]["localStorage"]
            page.evaluate("kept => kept.forEach(({name, value}) => localStorage.setItem(name, value))", kept)
        ready(page, walked.url, tab, filled=state.endswith("filled in"))

    walk = Walk(page, tab, make, whole=tab == "Photos" and not state.endswith("filled in"))
    walk.go()
    context.close()
    assert walk.silent == []
    assert len(walk.done) >= 3
    assert [line for line in said if "AbortError" not in line] == []  # a page that is left calls off what it asked


def test_a_button_that_does_nothing_is_found_out(browser: Browser, walked: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    ready(page, walked.url, "Photos", filled=False)
    page.evaluate("document.querySelector('main').prepend(Object.assign(document.createElement('button'), "
                  "{innerText: 'Silent', id: 'silent'}))")  # fmt: skip
    keys = [key for key in page.evaluate(FIND, True) if "Silent" in key]
    assert len(keys) == 1
    assert not answered(page, keys[0])
    context.close()
