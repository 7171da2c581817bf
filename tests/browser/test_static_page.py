"""A page that needs no server, in Chromium: the program's own answers, nobody asked, offline, from disk, on a phone."""

import base64
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
from tests.browser.conftest import MINUTE
from tl_engine.base.settings import Settings
from tl_engine.networks.preprocessing import Preprocess
from tl_engine.photos.square import FITS
from tl_engine.sharing.static_page import write_page
from tl_engine.sharing.web_runtime import find_web_runtime

MOST_DIFFERENCE = 2e-3  # of a probability
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("site")
    runtime = find_web_runtime(Settings())  # the cache of this checkout, so that npm is asked once
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

    def opened(address: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("Ready.", timeout=MINUTE)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "file:///", "blob:", "data:"))] == []
    assert said == []


def choose(page: Page, *photos: Path) -> None:
    """As a person does with the file chooser; returns when all are answered."""
    page.get_by_label("Choose photos").set_input_files(photos)
    expect(page.get_by_role("status")).to_contain_text("answered", timeout=MINUTE)


@pytest.mark.parametrize("fit", FITS)
def test_every_photo_gets_the_programs_own_answer(fit: str, site: Site, open_page: Open) -> None:
    page = open_page(f"{site.address}/{fit}/")
    names = [path.name for path in site.photos]
    got = [page.evaluate(ANSWER, [p.name, base64.b64encode(p.read_bytes()).decode()]) for p in site.photos]
    seen = np.stack([np.frombuffer(base64.b64decode(a["pixels"]), np.uint8) for a in got])
    apart = np.abs(seen.astype(int) - site.pixels[fit].reshape(len(names), -1)).max(1)
    wanted = site.answers[fit]
    probabilities = np.array([a["probabilities"] for a in got])
    off = np.abs(probabilities - wanted["probabilities"]).max(1)
    rows = list(zip(names, apart.tolist(), off.tolist(), strict=True))
    print(fit, len(rows), "photos; differing:", [row for row in rows if row[1]], "largest", off.max())

    assert np.std(wanted["probabilities"], axis=0).min() > 0.1  # else agreeing proves little
    assert (probabilities.argmax(1) == wanted["probabilities"].argmax(1)).all()
    assert off.max() < MOST_DIFFERENCE
    assert [
        name for name, pixels, _ in rows if pixels and not decoded_at_a_fraction(site.photos[names.index(name)])
    ] == []
    assert [a["verdict"] for a in got] == list(web_photos.verdicts(wanted, web_photos.about(how(fit))))
    assert {a["verdict"] for a in got} == {"ok", "not sure", "unlike"}


def decoded_at_a_fraction(path: Path) -> bool:
    """Pillow decodes such a JPEG at 1/2, 1/4 or 1/8, which no browser does."""
    with Image.open(path) as image:
        return path.suffix == ".jpg" and min(image.size) >= 2 * how("crop").short_side
