"""A real Chromium on the page. Skipped with a reason where there is none; .ci/run makes that a failure."""

import contextlib
import ctypes
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.serving import Server

# Without the background flags Chromium looks for hosts of its own at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
MINUTE = 60_000  # milliseconds
PATIENCE = 5 * MINUTE  # for anything that is waited for: beside another browser on two cores a page is slow
DROP, PRIORITY = 24, 23  # PR_CAPBSET_DROP and CAP_SYS_NICE of Linux
expect.set_options(timeout=PATIENCE)
HARMLESS = ("127.0.0.1", "data:", "blob:")
# What Gradio's client says whenever it closes a stream, and when a page is left while it still asks for something.
GRADIOS_OWN = re.compile("warning: Method not implemented|AbortError|Unexpected error Connection errored out")

# What is chosen is kept ciphered, and written anew whenever Gradio draws a list: this says in clear what was kept last.
TELL_KEPT = """(() => {
  let last;
  const stringify = JSON.stringify, keep = Storage.prototype.setItem;
  JSON.stringify = (value, ...more) => { last = value; return stringify(value, ...more); };
  Storage.prototype.setItem = function (key, ciphered) {
    if (key === "tl-current") window.kept = last;
    return keep.call(this, key, ciphered);
  };
})()"""
KEEPS = "chosen => Object.entries(chosen).every(([key, part]) => window.kept?.[key]?.includes(part))"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        assert not os.environ.get("TL_BROWSER_REQUIRED"), "no chromium on the PATH"
        pytest.skip("no chromium on the PATH: install Debian's package chromium")
    stay_in_line()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        make = started.new_context

        def new_context(**options: object) -> BrowserContext:
            context = make(**options)  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE)
            return context

        started.new_context = new_context  # type: ignore[method-assign,assignment]
        yield started
        started.close()


def stay_in_line() -> None:
    """Take from what is started here the right to go first: as root, Chromium gives itself five times a training's
    share of a core, and a page that computes (a classifier in the browser) leaves a training a tenth of its speed."""
    with contextlib.suppress(OSError, AttributeError):  # where there are no such rights, nobody can go first
        ctypes.CDLL(None).prctl(DROP, PRIORITY, 0, 0, 0)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One page for the tests that do not kill it."""
    running = Server(tmp_path_factory.mktemp("server"))
    make_data(running.folder / "data" / "colours")
    yield running.start()
    running.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens the page as a visitor; afterwards nothing may have been asked of another host, nor said in the console."""
    contexts: list[BrowserContext] = []
    foreign: list[str] = []
    said: list[str] = []

    def open_page(url: str, context: BrowserContext | None = None, **options: object) -> Page:
        if context is None:
            context = browser.new_context(viewport={"width": 1280, "height": 1000}, **options)  # type: ignore[arg-type]
            contexts.append(context)
        page = context.new_page()
        page.add_init_script(TELL_KEPT)
        page.on("request", lambda r: None if any(h in r.url for h in HARMLESS) else foreign.append(r.url))
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        loaded(page)
        return page

    open_page.expected = []  # type: ignore[attr-defined] # patterns of what a test makes the browser say
    yield open_page
    for context in contexts:
        context.close()
    assert not foreign
    expected: list[re.Pattern[str]] = open_page.expected  # type: ignore[attr-defined]
    assert not [line for line in said if not GRADIOS_OWN.search(line) and not any(p.search(line) for p in expected)]


def loaded(page: Page) -> None:
    """Wait until the page knows whose it is, as its buttons tell."""
    page.wait_for_function("document.querySelectorAll('#photos-train:enabled, #go:enabled, #classifier').length")
    page.wait_for_function("!document.querySelector('#photos-train:disabled, #go:disabled')")


def keeps(page: Page, **chosen: str) -> None:
    """Wait until the browser has kept what was chosen (a part of its value each), so that it may be reloaded."""
    page.wait_for_function(KEEPS, arg=chosen)


def open_tab(page: Page, name: str) -> None:
    """Go to one of the tabs."""
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def unfold(page: Page, element: str) -> None:
    """Open an accordion, again where a page that is still loading closes it."""
    button = page.locator(f"#{element} button.label-wrap").first
    stayed = 0
    for _ in range(20):
        if "open" in (button.get_attribute("class") or "").split():
            stayed += 1
        else:
            button.click()
            stayed = 0
        if stayed == 3:
            return
        page.wait_for_timeout(150)
    raise AssertionError(f"{element} does not stay open")


def choose(page: Page, element: str, label: str) -> None:
    """Pick from a dropdown by the start of a label."""
    page.locator(f"#{element} input").first.click()
    page.get_by_role("option").filter(has_text=label).first.click()


def write(page: Page, label: str, value: str) -> None:
    """Type into a field, again where the page was still building it."""
    field = page.get_by_label(label, exact=True)
    for _ in range(5):
        field.fill(value)
        page.wait_for_timeout(150)
        if field.input_value() == value:
            return
    raise AssertionError(f"{label} does not keep {value}")


def start_training(page: Page, epochs: int = 5, data: str = "colours", *, in_steps: bool = False) -> None:
    """Train as a person does who wants another number of epochs; in steps each epoch is better than the one before."""
    open_tab(page, "Photos")
    choose(page, "data", data)
    expect(page.locator("#summary")).to_contain_text("classes")
    open_tab(page, "Train")
    unfold(page, "how")
    if in_steps:
        unfold(page, "advanced")
        page.get_by_label("Optimizer").click()
        page.get_by_role("option", name="adamw").click()
    write(page, "Epochs", str(epochs))
    page.locator("#go").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Waiting|Training"))


def train_own_photos(page: Page, folder: Path, each: int, spoil: Callable[[Path], None] = lambda _folder: None) -> None:
    """Bring so many photos of two classes and train on them, as somebody who has nothing yet."""
    make_data(folder, each=each)
    spoil(folder)
    page.locator("#door-own").click()
    for number, name in ((1, "blue"), (2, "red")):
        with page.expect_file_chooser() as chooser:
            page.locator(f"#add-{number}").click()
        chooser.value.set_files(sorted((folder / name).iterdir()))
        here = len(list((folder / name).iterdir()))
        expect(page.locator(f"#count-{number}")).to_contain_text(f"{here} photos")
    page.locator("#photos-train").click()
    expect(page.locator("#status")).to_contain_text("Finished")


def make_data(folder: Path, each: int = 6, classes: tuple[str, ...] = ("blue", "red")) -> None:
    """Pictures of one colour in class folders."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for index, label in enumerate(classes):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = random.integers(0, 90, (32, 32, 3))
            pixels[:, :, index % 3] += 150
            Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number}.png")
