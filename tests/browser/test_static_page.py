"""A page that needs no server, in Chromium: the program's own answers, nobody asked, offline, from disk, on a phone."""

import base64
import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import web_photos
from tl_engine.base.errors import WeightsError
from tl_engine.base.settings import Settings
from tl_engine.networks.preprocessing import Preprocess
from tl_engine.photos.square import FITS
from tl_engine.sharing.static_page import write_page
from tl_engine.sharing.web_runtime import WebRuntime, find_web_runtime

MOST_DIFFERENCE = 2e-3  # of a probability
# Pillow decodes large JPEGs at a fraction, colours apart from light. Photos that are soft at the single pixel, as those
# of cameras are, stay within MOST_DIFFERENCE; this is for hard edges between colours, under noise.
MOST_AT_EDGES = 2e-2
ANSWER = """async ([name, packed]) => {
  const blob = new Blob([Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0))]);
  const { pixels, probabilities, likeness, verdict } = await classifier.answer(blob, name);
  let text = "";
  for (let i = 0; i < pixels.length; i += 8192) text += String.fromCharCode(...pixels.subarray(i, i + 8192));
  return { pixels: btoa(text), probabilities, likeness, verdict };
}"""


@dataclass(frozen=True)
class Site:
    """A page for each fit, served from this machine, and what the program says about the photos."""

    folder: Path
    address: str
    photos: list[Path]
    pixels: dict[str, np.ndarray]  # by fit
    answers: dict[str, dict[str, np.ndarray]]


def how(fit: str) -> Preprocess:
    return Preprocess(
        resize=110, crop=web_photos.SIDE, interpolation="bilinear" if fit == "pad" else "bicubic", fit=fit
    )


def found_runtime() -> WebRuntime:
    """In the cache of this checkout, so that npm is asked once. Skips where it cannot be had, as without a browser."""
    if os.environ.get("TL_BROWSER_REQUIRED"):
        return find_web_runtime(Settings())
    with contextlib.suppress(WeightsError):
        return find_web_runtime(Settings())
    pytest.skip("onnxruntime-web is neither in the cache nor to be had")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("site")
    runtime = found_runtime()
    photos = web_photos.write_photos(place / "photos") + web_photos.real_photos()
    pixels = {fit: web_photos.views(photos, how(fit)) for fit in FITS}
    answers = {}
    for fit in FITS:
        source = web_photos.write_source(place / "source" / fit, how(fit), pixels[fit])
        write_page(source, place / "www" / fit, runtime)
        answers[fit] = web_photos.run(source / "model.onnx", pixels[fit])

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place / "www")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield Site(place / "www", f"http://127.0.0.1:{server.server_address[1]}", photos, pixels, answers)
    server.shutdown()
    server.server_close()
    thread.join()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page and waits for it; afterwards nobody else may have been asked, nor anything said in the console."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    said: list[str] = []

    def opened(address: str, hide: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        if hide:
            page.add_init_script(f"Object.defineProperty(navigator, '{hide}', {{ value: undefined }})")
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("Ready.")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "file:///", "blob:", "data:"))] == []
    assert said == []


def violations(page: Page) -> list[Any]:
    """What axe finds. It is put in by a debugger's door, which the page's own policy does not guard."""
    found = Axe().run(page).response["violations"]
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found]


def choose(page: Page, *photos: Path) -> None:
    """As a person does with the file chooser; returns when all are answered."""
    page.get_by_label("Choose photos").set_input_files(photos)
    expect(page.get_by_role("status")).to_contain_text("answered")


@pytest.mark.parametrize("fit", FITS)
def test_every_photo_gets_the_programs_own_answer(fit: str, site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/{fit}/")
    got = [page.evaluate(ANSWER, [p.name, base64.b64encode(p.read_bytes()).decode()]) for p in site.photos]
    wanted, probabilities = site.answers[fit], np.array([answer["probabilities"] for answer in got])
    seen = np.stack([np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8) for answer in got])
    levels = np.abs(seen.astype(int) - site.pixels[fit].reshape(len(got), -1)).max(1)
    apart = np.abs(probabilities - wanted["probabilities"]).max(1)
    whole = np.array([not decoded_at_a_fraction(path) for path in site.photos])
    edges = np.array([path.name.startswith("edges") for path in site.photos])
    print(fit, len(got), "photos; decoded at a fraction:", levels[~whole].tolist(), "levels,", apart[~whole], "apart")

    assert np.std(wanted["probabilities"], axis=0).min() > 0.1  # else agreeing proves little
    assert (probabilities.argmax(1) == wanted["probabilities"].argmax(1)).all()
    assert levels[whole].max() == 0
    assert apart[whole].max() < 1e-5
    assert apart[~whole & ~edges].max() < MOST_DIFFERENCE
    assert apart[edges].max() < MOST_AT_EDGES
    assert [answer["verdict"] for answer in got] == list(web_photos.verdicts(wanted, web_photos.about(how(fit))))
    assert {answer["verdict"] for answer in got} == {"ok", "not sure", "unlike"}


def decoded_at_a_fraction(path: Path) -> bool:
    """Pillow decodes such a JPEG at 1/2, 1/4 or 1/8, which no browser does."""
    with Image.open(path) as image:
        return path.suffix == ".jpg" and min(image.size) >= 2 * how("crop").short_side


def test_photos_are_chosen_answered_and_cleared(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/")
    chosen = [path for path in site.photos if path.suffix == ".png"][:3]
    choose(page, *chosen)
    cards = page.get_by_role("list", name="Answers").locator("> li")
    assert cards.locator(".file").all_inner_texts() == [path.name for path in chosen]
    wanted = [site.answers["crop"]["probabilities"][site.photos.index(path)] for path in chosen]
    firsts = [web_photos.CLASSES[probabilities.argmax()] for probabilities in wanted]
    assert [card.locator(".label").first.inner_text() for card in cards.all()] == firsts
    choose(page, site.photos[0])
    expect(cards.first.locator(".file")).to_have_text(site.photos[0].name)
    page.get_by_role("button", name="Clear the answers").click()
    expect(cards).to_have_count(0)


def test_each_verdict_is_in_words(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/")
    said = list(web_photos.verdicts(site.answers["crop"], web_photos.about(how("crop"))))
    words = {"ok": f"{web_photos.CLASSES[0]}|%", "not sure": "Not sure", "unlike": "Unlike anything it was shown"}
    for verdict, beginning in words.items():
        choose(page, site.photos[said.index(verdict)])
        expect(page.locator(".card").first).to_have_attribute("data-verdict", verdict)
        expect(page.locator(".card .answer").first).to_contain_text(re.compile(beginning))


def test_what_a_class_is_called_is_only_ever_text(site: Site, open_page: Open) -> None:
    for address in (f"{site.address}/crop/", (site.folder / "crop" / "classifier.html").as_uri()):
        page = open_page(address)
        choose(page, *site.photos[:4])
        assert "</script><b>bold</b>" in page.locator("body").inner_text()
        assert page.locator("b, i").count() == 0
        expect(page).to_have_title("ants & <i>bees</i>")


def test_a_bad_file_is_named_and_the_others_go_on(site: Site, open_page: Open, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    whole = next(path for path in site.photos if path.name == "rgb.png").read_bytes()
    (tmp_path / "cut <b>.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (5, 5)).save(tmp_path / "tiny.png")
    page = open_page(f"{site.address}/crop/")
    choose(page, tmp_path / "notes.txt", tmp_path / "cut <b>.png", site.photos[0], tmp_path / "tiny.png")
    assert page.get_by_role("alert").locator("p").all_inner_texts() == [
        "notes.txt cannot be used: it is no picture; choose a JPEG, PNG, WebP, GIF or BMP.",
        "cut <b>.png cannot be used: it is damaged; save or copy it again.",
        "tiny.png cannot be used: it is only 5 x 5 pixels; take a larger one.",
    ]
    expect(page.locator(".card")).to_have_count(1)


def test_once_loaded_it_needs_nobody(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/")
    page.context.set_offline(True)
    choose(page, site.photos[0])
    expect(page.locator(".card")).to_have_count(1)


def test_the_folder_opened_from_a_disk_leads_to_the_single_file(site: Site, open_page: Open) -> None:
    page = open_page((site.folder / "pad" / "index.html").as_uri())
    assert page.url.endswith("/pad/classifier.html")
    index, path = next((i, path) for i, path in enumerate(site.photos) if path.name == "alpha.png")
    got = page.evaluate(ANSWER, [path.name, base64.b64encode(path.read_bytes()).decode()])
    wanted = site.answers["pad"]["probabilities"][index]
    assert np.abs(np.array(got["probabilities"]) - wanted).max() < MOST_DIFFERENCE


def test_it_asks_only_for_its_own_files(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/")
    asked: list[str] = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    names = {name.removeprefix(f"{site.address}/crop/") for name in asked if not name.startswith("data:")}
    assert names <= {path.name for path in (site.folder / "crop").iterdir()}


@pytest.mark.parametrize("name", ["index.html", "classifier.html"])
def test_its_policy_forbids_to_ask_anybody_else(name: str, site: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site.address}/crop/{name}")
    page.evaluate("document.addEventListener('securitypolicyviolation', (one) => (window.refused = one.blockedURI))")
    assert page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'answered', () => 'refused')") == "refused"
    assert page.evaluate("window.refused") == "http://127.0.0.2:9/"
    page.close()


def test_the_camera_takes_photos(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/", permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#video")).not_to_have_js_property("videoWidth", 0)
    page.get_by_role("button", name="Take a photo").press("Enter")
    expect(page.locator(".card .file")).to_have_text("Camera, photo 1")
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_without_a_camera_the_page_says_why(site: Site, open_page: Open) -> None:
    """As browsers do on a plain address of another machine."""
    page = open_page(f"{site.address}/crop/", hide="mediaDevices")
    expect(page.locator("#no-camera")).to_contain_text("only on pages whose address begins with https")
    expect(page.get_by_role("button", name="Use the camera")).to_be_hidden()


def test_a_missing_model_is_said(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/model.onnx", lambda route: route.fulfill(status=404))
    page.goto(f"{site.address}/crop/")
    expect(page.get_by_role("alert")).to_contain_text("could not be loaded (model.onnx is missing)")
    page.close()


def test_progress_names_megabytes_until_it_is_ready(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.add_init_script(
        "new MutationObserver(() => (window.said ??= new Set()).add(document.getElementById('status')?.textContent))"
        ".observe(document, { subtree: true, childList: true, characterData: true })"
    )
    page.goto(f"{site.address}/crop/")
    expect(page.get_by_role("status")).to_have_text("Ready.")
    said: list[str] = page.evaluate("[...window.said]")
    assert "Loading 14 of 14 MB" in said
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it_and_axe_finds_nothing(scheme: str, site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    said = list(web_photos.verdicts(site.answers["crop"], web_photos.about(how("crop"))))
    choose(page, *(site.photos[said.index(verdict)] for verdict in ("ok", "not sure", "unlike")))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.evaluate("[...document.querySelectorAll('.press')].map((one) => one.offsetHeight).filter(Boolean)")
    assert min(heights) >= 44
    assert violations(page) == []


def test_the_keyboard_reaches_everything(site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/crop/")
    reached = []
    for _ in range(2):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["files", "camera"]
