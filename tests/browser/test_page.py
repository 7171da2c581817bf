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
from playwright.sync_api import Page, expect

from tests.browser.conftest import MINUTE, choose, loaded, make_data, open_tab, start_training, unfold, write
from tests.photo_trees import filled
from tests.serving import Server

Visit = Callable[..., Page]
HURRY = """window.pressed = 0; const hurry = setInterval(() => {
  const go = document.getElementById('photos-train');
  if (go && !go.disabled) { go.click(); window.pressed += 1; clearInterval(hurry); }
}, 1)"""  # presses Train as soon as it can be pressed
LOST = re.compile(r"net::ERR_|Failed to fetch|network error")


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A page that a test may kill."""
    running = Server(tmp_path)
    make_data(tmp_path / "data" / "colours")
    yield running.start()
    running.stop()


def last_epoch(page: Page) -> int:
    numbers = re.findall(r"epoch (\d+) of", page.locator("#status").text_content() or "")
    return int(numbers[-1]) if numbers else 0


def epochs_in_log(page: Page) -> list[int]:
    return [int(number) for number in re.findall(r"epoch (\d+)/", page.locator("#log").text_content() or "")]


def test_first_visit_shows_three_doors_and_one_click_trains(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    expect(page.get_by_role("tab")).to_have_text(["Photos", "Train", "Predict", "Report", "Runs"])
    expect(page.get_by_role("tab", name="Photos")).to_have_attribute("aria-selected", "true")
    for door in ("own", "zip", "example"):
        expect(page.locator(f"#door-{door}")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.locator("#door-example").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    expect(page.locator("#status")).to_be_in_viewport()


def test_a_press_in_the_very_first_moment_starts_a_run(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    page.add_init_script(HURRY)
    page.evaluate("localStorage.clear()")  # as on a first visit
    page.goto(server.url)
    expect(page.locator("#status")).to_contain_text(re.compile("Training|Finished"))
    expect(page.locator("[role=alert]")).to_have_count(0)
    assert page.evaluate("window.pressed") == 1
    page.reload()  # the run is still this visitor's
    loaded(page)
    open_tab(page, "Train")
    expect(page.locator("#status")).to_contain_text("Finished")


def test_predict_an_example(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    page.locator(".gallery-item, button.thumbnail-item").first.click()
    expect(page.locator("#answer")).to_contain_text("lion")
    expect(page.locator("#seen img")).to_be_visible()


def test_predict_a_bad_file_says_which_and_why(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    bad = tmp_path / "holiday.jpg"
    bad.write_text("no picture at all")
    page.locator("#photo input[type=file]").first.set_input_files(bad)
    expect(page.locator("#predict-said")).to_contain_text("holiday.jpg is not a picture")
    assert "Traceback" not in page.content()


def test_predict_ten_files_gives_a_table_and_names_the_bad_one(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    open_tab(page, "Predict")
    unfold(page, "many")
    files = []
    for number in range(9):
        files.append(tmp_path / f"photo{number}.png")
        Image.new("RGB", (40, 40), (20 * number, 90, 120)).save(files[-1])
    files.append(tmp_path / "broken.png")
    files[-1].write_bytes(files[0].read_bytes()[:50])
    page.locator("#files input[type=file]").set_input_files(files)
    expect(page.locator("#many")).to_contain_text("broken.png")
    expect(page.locator("#many")).to_contain_text("cannot be read")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 11
    assert lines[0] == "file,class,probability,note"


def test_train_on_digits_to_the_end_with_curves_growing(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    start_training(page, 150, "Handwritten digits")
    expect(page.locator("#status")).to_contain_text("Training")
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
    page.locator("#use").click()
    expect(page.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#classifier input").first).to_have_value(re.compile("Handwritten digits"))
    picture = io.BytesIO()
    Image.new("L", (8, 8), 0).save(picture, "PNG")
    page.locator("#photo input[type=file]").first.set_input_files(
        {"name": "digit.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    expect(page.locator("#answer")).to_contain_text("%")


def test_curves_are_read_at_a_point_in_a_table_that_stays_open_and_saved(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    start_training(page, epochs=400)
    values = page.locator("#accuracy details")
    values.locator("summary").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    expect(values).to_have_attribute("open", "")
    expect(values.locator("tbody tr").last).to_contain_text("400")
    point = page.locator("#accuracy .tl-hits.tl-curve-0 circle").last
    point.hover()
    expect(point.locator("title")).to_contain_text("validation, epoch 400: ")
    saved = {}
    for kind in ("SVG", "PNG", "CSV"):
        with page.expect_download() as download:
            page.locator("#accuracy").get_by_label(f"Save accuracy as {kind}").click()
        assert re.fullmatch(rf"colours-.*-accuracy\.{kind.lower()}", download.value.suggested_filename)
        saved[kind] = Path(download.value.path())
    with Image.open(saved["PNG"]) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20) or []) > 2  # not blank
    assert len(saved["CSV"].read_text("utf-8-sig").splitlines()) == 401
    assert saved["SVG"].read_text("utf-8").startswith("<svg xmlns")


def test_reload_in_mid_run_then_stop_keeps_the_best(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    start_training(page, epochs=10_000, in_steps=True)
    unfold(page, "log-box")
    expect(page.locator("#log")).to_contain_text(re.compile(r"epoch \d\d+/"))
    page.reload()
    loaded(page)
    expect(page.get_by_role("tab", name="Train")).to_have_attribute("aria-selected", "true")
    unfold(page, "log-box")
    expect(page.locator("#log")).to_contain_text("epoch")
    seen = last_epoch(page)
    expect(page.locator("#status")).to_contain_text("Training")
    page.locator("#halt").click()
    expect(page.locator("#status")).to_contain_text("Stopped")
    assert epochs_in_log(page)[-1] >= seen
    shown = epochs_in_log(page)
    assert shown == sorted(set(shown))  # none twice, none out of order
    expect(page.locator("#use")).to_be_visible()


def test_the_server_killed_and_restarted_in_mid_run(visit: Visit, own_server: Server) -> None:
    page = visit(own_server.url)
    start_training(page, epochs=10_000, in_steps=True)
    unfold(page, "log-box")
    expect(page.locator("#log")).to_contain_text(re.compile(r"epoch \d\d+/"))
    # The open page loses its connection and the browser says so: that is not the page's doing.
    visit.expected.append(LOST)  # type: ignore[attr-defined]
    own_server.kill()
    seen = last_epoch(page)
    own_server.start()
    end = time.monotonic() + 30
    while last_epoch(page) <= seen:  # the page left open goes on by itself
        assert time.monotonic() < end, page.locator("#status").inner_text()
        time.sleep(0.5)
    page = visit(own_server.url, page.context)  # not the same tab: Gradio reloads it by itself just then
    expect(page.locator("#status")).to_contain_text("Training")
    unfold(page, "log-box")
    expect(page.locator("#log")).to_contain_text("epoch")
    page.locator("#halt").click()
    expect(page.locator("#status")).to_contain_text("Stopped")
    shown = epochs_in_log(page)
    assert shown == sorted(set(shown))  # none twice, none out of order


def test_another_visitor_sees_nothing_but_a_link_opens_the_classifier(visit: Visit, server: Server) -> None:
    first = visit(server.url)
    start_training(first, epochs=3)
    expect(first.locator("#status")).to_contain_text("Finished")
    first.locator("#share-result").click()
    expect(first.locator("#link")).to_be_visible()
    link = first.locator("#link textarea, #link input").first.input_value()
    second = visit(server.url)
    open_tab(second, "Train")
    expect(second.locator("#status")).to_contain_text("No training yet")
    open_tab(second, "Runs")
    expect(second.locator("#runs-list")).to_be_hidden()
    third = visit(link)
    expect(third.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")
    expect(third.locator("#from-link")).to_contain_text("A classifier of blue and red, from a link")
    third.locator("#make-own").click()
    expect(third.locator("#door-own")).to_be_visible()
    gone = visit(f"{server.url}/?run={'0' * 32}")
    expect(gone.locator("#current-said")).to_contain_text("There is no such run here")


def test_a_zip_with_markup_in_its_names_is_text_everywhere(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    bad = "<img src=x onerror=alert(1)>"
    make_data(tmp_path / "in", classes=(bad, "plain"))
    archive = tmp_path / "<b>photos<b>.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted((tmp_path / "in").rglob("*.png")):
            opened.write(file, str(file.relative_to(tmp_path / "in")))
    page.locator("#door-zip").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#summary")).to_contain_text("<img src=x onerror")
    page.locator("#photos-train").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    photo = tmp_path / "<img src=x onerror=alert(2)>.png"
    shutil.copy(next((tmp_path / "in" / "plain").iterdir()), photo)
    page.locator("#use").click()
    page.locator("#photo input[type=file]").first.set_input_files(photo)
    expect(page.locator("#answer")).to_contain_text(bad[:12])
    unfold(page, "many")
    page.locator("#files input[type=file]").set_input_files(photo)
    expect(page.locator("#many")).to_contain_text(re.compile("onerror.?alert"))
    for tab, place in (("Report", "#report"), ("Runs", "#runs-list"), ("Photos", "#summary"), ("Train", "#status")):
        open_tab(page, tab)
        expect(page.locator(place).first).to_be_visible()
        assert page.locator("img[src=x]").count() == 0
    other = visit(server.url)
    other.locator("#data input").first.click()
    expect(other.get_by_role("option").filter(has_text="Yours:")).to_have_count(0)


def test_a_zip_with_two_readings_asks_and_is_read_as_answered(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    filled(tmp_path / "in", "anna/cats", "anna/dogs", "ben/cats", "ben/dogs")
    archive = shutil.make_archive(str(tmp_path / "pupils"), "zip", tmp_path / "in")
    expect(page.locator("#question-go")).to_be_hidden()
    page.locator("#door-zip").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#summary")).to_contain_text("can be read in two ways.")
    page.locator("#question").get_by_text("cats, dogs").click()
    page.locator("#question-go").click()
    expect(page.locator("#summary")).to_contain_text("12 photos in 2 classes")
    expect(page.locator("#question-go")).to_be_hidden()


def test_a_wrong_zip_is_refused_beside_its_field(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    archive = tmp_path / "photos.zip"
    archive.write_text("<html>not a zip</html>")
    page.locator("#door-zip").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#photos-said")).to_contain_text("photos.zip is no zip")


def test_a_wrong_setting_is_refused_beside_the_button_naming_the_field(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    open_tab(page, "Train")
    unfold(page, "how")
    unfold(page, "advanced")
    write(page, "Validation share", "1")
    page.locator("#go").click()
    expect(page.locator("#train-said")).to_contain_text("val-fraction must lie between 0 and 1")


def test_a_backbone_that_knows_nothing_learns_from_nothing(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    open_tab(page, "Train")
    unfold(page, "how")
    choose(page, "architecture", "Small VGG")
    expect(page.get_by_label("Start from nothing (long)")).to_be_checked()
    page.get_by_text("Train the last layer only (seconds)").click()
    expect(page.locator("#architecture input").first).to_have_value(re.compile("EfficientNet-Lite0"))


def test_the_report_is_a_table_to_copy_and_save(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    open_tab(page, "Report")
    expect(page.locator("#report")).to_contain_text("Train first")
    start_training(page, epochs=3)
    expect(page.locator("#status")).to_contain_text("Finished")
    page.locator("#report-result").click()
    unfold(page, "by-epoch")
    expect(page.locator("#report-numbers tbody tr")).to_have_count(3)
    epochs = page.locator("#report-epochs")
    epochs.get_by_role("button", name="Copy", exact=True).click()
    expect(epochs.locator("[data-copied]")).to_contain_text(re.compile("Copied|does not copy"))
    with page.expect_download() as download:
        epochs.get_by_role("link", name="Save as CSV").click()
    lines = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("epoch,training accuracy,validation accuracy")


def test_runs_are_told_apart_renamed_laid_over_and_deleted(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    for epochs in (3, 5):
        start_training(page, epochs=epochs)
        expect(page.locator("#status")).to_contain_text("Finished")
    open_tab(page, "Runs")
    rows = page.locator("#runs-list tbody tr")
    expect(rows).to_have_count(2)
    rows.filter(has_text="3 epochs").get_by_role("button").click()
    expect(page.locator("#one-run")).to_be_visible()
    write(page, "Name of this training", "The short one")
    page.locator("#rename-run").click()
    expect(page.locator("#runs-list")).to_contain_text("The short one")
    for row in ("The short one", "5 epochs"):
        rows.filter(has_text=row).get_by_role("checkbox").check()
    expect(page.locator("#lay-beside")).to_contain_text("2 ticked")
    page.locator("#lay-beside").click()
    # Each in the plot and the legend.
    expect(page.locator("#accuracy-beside .tl-curve")).to_have_count(4)
    page.locator("#delete-run").click()
    expect(page.locator("#delete-run-question")).to_contain_text("The short one")
    page.locator("#delete-run-yes").click()
    expect(rows).to_have_count(1)
