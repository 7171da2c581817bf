"""What people do on the page, in a real browser."""

import io
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import make_data
from tests.photo_trees import filled
from tests.serving import Server

Visit = Callable[..., Page]
MINUTE = 60_000
HURRY = """window.pressed = 0; const hurry = setInterval(() => {
  const go = document.getElementById('go');
  if (go && !go.disabled) { go.click(); window.pressed += 1; clearInterval(hurry); }
}, 1)"""  # presses Train as soon as it can be pressed
LOST = re.compile(r"net::ERR_|Failed to fetch")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A page that a test may kill."""
    running = Server(tmp_path)
    make_data(tmp_path / "data" / "colours")
    yield running.start()
    running.stop()


def choose(page: Page, element: str, label: str) -> None:
    """Pick from a dropdown by the start of a label."""
    page.locator(f"#{element} input").first.click()
    page.get_by_role("option").filter(has_text=label).first.click()


def start_training(page: Page, epochs: int = 5, data: str = "colours") -> None:
    choose(page, "data", data)
    expect(page.locator("#summary")).to_contain_text("2 classes")
    page.get_by_label("4. Epochs").fill(str(epochs))
    page.get_by_role("button", name="Train", exact=True).click()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def top_class(page: Page) -> str:
    return page.locator("#answer .output-class, #answer h2").first.inner_text()


def last_epoch(page: Page) -> int:
    numbers = re.findall(r"epoch (\d+)/", page.locator("#log").inner_text())
    return int(numbers[-1]) if numbers else 0


def epochs_in_log(page: Page) -> list[int]:
    return [int(number) for number in re.findall(r"epoch (\d+)/", page.locator("#log").inner_text())]


def test_first_visit_shows_what_to_do_and_one_click_trains(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    expect(page.get_by_role("tab")).to_have_text(["Train", "Predict", "Data"])
    expect(page.locator("#summary")).to_contain_text("1,797 photos in 10 classes")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()
    expect(page.locator("#status")).to_contain_text("No training yet")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_press_in_the_very_first_moment_starts_a_run(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    page.add_init_script(HURRY)
    page.evaluate("localStorage.clear()")  # as on a first visit
    page.goto(server.url)
    expect(page.locator("#status")).to_contain_text(re.compile("Training|Finished"), timeout=MINUTE)
    expect(page.get_by_test_id("toast-body")).to_have_count(0)
    assert page.evaluate("window.pressed") == 1
    page.reload()  # the run is still this visitor's
    expect(page.locator("#status")).to_contain_text("Finished", timeout=MINUTE)


def test_predict_an_example(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    page.locator(".gallery-item, button.thumbnail-item").first.click()
    expect(page.locator("#answer")).to_contain_text("lion", timeout=MINUTE)
    expect(page.locator("#seen img")).to_be_visible()


def test_predict_a_bad_file_says_which_and_why(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    bad = tmp_path / "holiday.jpg"
    bad.write_text("no picture at all")
    page.locator("#photo input[type=file]").first.set_input_files(bad)
    toast = page.get_by_test_id("toast-body")
    expect(toast).to_contain_text("holiday.jpg is not a picture", timeout=MINUTE)
    assert "Traceback" not in page.content()


def test_predict_ten_files_gives_a_table_and_names_the_bad_one(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    page.get_by_role("button", name="Many photos at once").click()
    files = []
    for number in range(9):
        files.append(tmp_path / f"photo{number}.png")
        Image.new("RGB", (40, 40), (20 * number, 90, 120)).save(files[-1])
    files.append(tmp_path / "broken.png")
    files[-1].write_bytes(files[0].read_bytes()[:50])
    page.locator("#files input[type=file]").set_input_files(files)
    expect(page.locator("#many")).to_contain_text("broken.png", timeout=MINUTE)
    expect(page.locator("#many")).to_contain_text("cannot be read")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 11
    assert lines[0] == "file,class,probability,note"


def test_train_on_digits_to_the_end_with_curves_growing(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    choose(page, "data", "Handwritten digits")
    page.get_by_label("4. Epochs").fill("400")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Training", timeout=MINUTE)
    curve = page.locator("#accuracy .tl-curve-0 polyline")
    curve.wait_for(timeout=5 * MINUTE)
    before = len((curve.get_attribute("points") or "").split())
    expect(page.locator("#status")).to_contain_text("Finished", timeout=5 * MINUTE)
    assert len((curve.get_attribute("points") or "").split()) > before
    words = page.locator("#status").inner_text()
    assert float(re.findall(r"Finished: ([\d.]+) %", words)[0]) > 88
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the classifier").click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert sorted(archive.namelist()) == ["meta.json", "model.safetensors"]
    page.get_by_role("button", name="Try it in Predict").click()
    expect(page.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")
    assert "digits" in page.locator("#classifier input").first.input_value()
    picture = io.BytesIO()
    Image.new("L", (8, 8), 0).save(picture, "PNG")
    page.locator("#photo input[type=file]").first.set_input_files(
        {"name": "digit.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    expect(page.locator("#answer")).to_contain_text("%", timeout=MINUTE)


def test_curves_are_read_at_a_point_in_a_table_that_stays_open_and_saved(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    start_training(page, epochs=400)
    values = page.locator("#accuracy details")
    values.locator("summary").click(timeout=MINUTE)
    expect(page.locator("#status")).to_contain_text("Finished", timeout=MINUTE)
    expect(values).to_have_attribute("open", "")
    expect(values.locator("tbody tr").last).to_contain_text("400")
    point = page.locator("#accuracy .tl-hits.tl-curve-0 circle").last
    point.hover()
    expect(point.locator("title")).to_contain_text("validation, epoch 400: ")
    saved = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            page.get_by_label(f"Save accuracy as {kind}").click()
        assert re.fullmatch(rf"colours-.*-accuracy\.{kind.lower()}", download.value.suggested_filename)
        saved[kind] = Path(download.value.path())
    with Image.open(saved["PNG"]) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20) or []) > 2  # not blank
    assert len(saved["CSV"].read_text("utf-8-sig").splitlines()) == 401
    assert saved["SVG"].read_text("utf-8").startswith("<svg xmlns")


def test_reload_in_mid_run_then_stop_keeps_the_best(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    start_training(page, epochs=10_000)
    expect(page.locator("#log")).to_contain_text("epoch 20/", timeout=MINUTE)
    page.reload()
    expect(page.locator("#log")).to_contain_text("epoch", timeout=MINUTE)
    seen = last_epoch(page)
    expect(page.locator("#status")).to_contain_text("Training")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=10_000)
    assert last_epoch(page) >= seen
    shown = epochs_in_log(page)
    assert shown == list(range(shown[0], shown[0] + len(shown)))  # no gap
    expect(page.get_by_role("button", name="Try it in Predict")).to_be_visible()


def test_the_server_killed_and_restarted_in_mid_run(visit: Visit, own_server: Server) -> None:
    page = visit(own_server.url)
    start_training(page, epochs=10_000)
    expect(page.locator("#log")).to_contain_text("epoch 20/", timeout=MINUTE)
    # The open page loses its connection and the browser says so: that is not the page's doing.
    visit.expected.append(LOST)  # type: ignore[attr-defined]
    own_server.kill()
    seen = last_epoch(page)
    own_server.start()
    end = time.monotonic() + 30
    while last_epoch(page) <= seen:  # the page left open goes on by itself
        assert time.monotonic() < end, page.locator("#status").inner_text()
        time.sleep(0.5)
    page.goto(own_server.url)
    expect(page.locator("#status")).to_contain_text("Training", timeout=MINUTE)
    expect(page.locator("#log")).to_contain_text("epoch", timeout=MINUTE)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=10_000)
    shown = epochs_in_log(page)
    assert shown == list(range(shown[0], shown[0] + len(shown)))


def test_another_visitor_sees_nothing_but_a_link_opens_the_run(visit: Visit, server: Server) -> None:
    first = visit(server.url)
    start_training(first, epochs=3)
    expect(first.locator("#status")).to_contain_text("Finished", timeout=MINUTE)
    link = first.locator("#link textarea, #link input").first.input_value()
    second = visit(server.url)
    expect(second.locator("#status")).to_contain_text("No training yet")
    second.locator("#run input").first.click()
    expect(second.get_by_role("option")).to_have_count(0)
    third = visit(link)
    expect(third.locator("#status")).to_contain_text("Finished", timeout=MINUTE)


def test_a_zip_with_markup_in_its_names_is_text_everywhere(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    bad = "<img src=x onerror=alert(1)>"
    make_data(tmp_path / "in", classes=(bad, "plain"))
    archive = tmp_path / "<b>photos<b>.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted((tmp_path / "in").rglob("*.png")):
            opened.write(file, str(file.relative_to(tmp_path / "in")))
    page.get_by_role("button", name="Upload a zip of class folders").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#summary")).to_contain_text("<img src=x onerror", timeout=MINUTE)
    page.get_by_label("4. Epochs").fill("3")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=MINUTE)
    assert page.locator("img[src=x]").count() == 0
    other = visit(server.url)
    other.locator("#data input").first.click()
    expect(other.get_by_role("option").filter(has_text="Your upload")).to_have_count(0)


def test_a_zip_with_two_readings_asks_and_is_read_as_answered(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    filled(tmp_path / "in", "anna/cats", "anna/dogs", "ben/cats", "ben/dogs")
    archive = shutil.make_archive(str(tmp_path / "pupils"), "zip", tmp_path / "in")
    expect(page.locator("#question-go")).to_be_hidden()
    page.get_by_role("button", name="Upload a zip of class folders").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#summary")).to_contain_text("can be read in two ways.", timeout=MINUTE)
    page.locator("#question").get_by_text("cats, dogs").click()
    page.locator("#question-go").click()
    expect(page.locator("#summary")).to_contain_text("12 photos in 2 classes", timeout=MINUTE)
    expect(page.locator("#question-go")).to_be_hidden()


def test_a_wrong_zip_is_one_toast_in_the_engines_words(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    archive = tmp_path / "photos.zip"
    archive.write_text("<html>not a zip</html>")
    page.get_by_role("button", name="Upload a zip of class folders").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.get_by_test_id("toast-body")).to_contain_text("photos.zip is no zip", timeout=MINUTE)


def test_a_wrong_setting_is_one_toast_naming_the_field(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    expect(page.locator("#go")).to_be_enabled(timeout=MINUTE)
    page.get_by_role("button", name="Advanced settings").click()
    page.get_by_label("Validation share").fill("1")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("val-fraction must lie between 0 and 1")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_within_its_width(browser: Browser, visit: Visit, server: Server, dark: bool) -> None:
    scheme = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = visit(server.url, context)
    for name in ("Train", "Predict"):
        open_tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_the_keyboard_reaches_train_and_every_control_has_a_name(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    page.get_by_role("button", name="Train", exact=True).focus()
    assert page.evaluate("document.activeElement.innerText") == "Train"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, textarea, select')]
        .filter(e => e.offsetParent && e.type != 'file' && !e.labels?.length
                && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby') && !e.closest('label'))
        .map(e => e.outerHTML)"""
    )
    assert nameless == []
