"""The Data tab in a real browser: collect with files and camera, look, check, mend, train."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import make_data
from tests.serving import Server

Visit = Callable[..., Page]
MINUTE = 60_000
NO_CAMERA = "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"


@pytest.fixture
def collecting(server: Server, visit: Visit) -> Page:
    """A page with a new data set open for photos."""
    page = visit(server.url)
    enter(page)
    page.get_by_role("tab", name="Collect").click()
    page.get_by_role("button", name="New data set").click()
    expect(page.locator("#new-class")).to_be_visible(timeout=MINUTE)
    return page


def enter(page: Page) -> None:
    """Open the tab; as slowly as a person: its list, once the server knows of it, gives way to what is pressed then."""
    with page.expect_response(lambda response: "queue/join" in response.url):
        page.get_by_role("tab", name="Data").click()


def add_class(page: Page, name: str) -> None:
    page.locator("#new-class").get_by_role("textbox").fill(name)
    page.locator("#new-class").get_by_role("textbox").press("Enter")
    expect(page.locator("#class")).to_contain_text(f"{name} (0)", timeout=MINUTE)


def drop(page: Page, files: list[Path], name: str, count: int) -> None:
    page.locator("#own-files input[type=file]").set_input_files(files)
    expect(page.locator("#class")).to_contain_text(f"{name} ({count})", timeout=MINUTE)


def photos_on_disk(server: Server) -> int:
    return len([p for p in (server.folder / "uploads").glob("*/own-*/*/*") if not p.name.startswith(".")])


def test_photos_dropped_class_by_class_survive_a_reload_and_train(collecting: Page, tmp_path: Path) -> None:
    page = collecting
    make_data(tmp_path / "new", each=5)
    for name in ("blue", "red"):
        add_class(page, name)
        drop(page, sorted((tmp_path / "new" / name).iterdir()), name, 5)
    page.locator("#own-photos button").first.click()
    page.get_by_role("button", name="Remove the marked photos").click()
    expect(page.locator("#class")).to_contain_text("red (4)", timeout=MINUTE)
    page.reload()
    page.locator("#summary table").wait_for()
    enter(page)
    page.locator("#data-set input").click()
    page.get_by_role("option", name="Yours: My photos").first.click()
    expect(page.locator("#photos-where")).to_contain_text("9 photos", timeout=MINUTE)
    page.get_by_role("button", name="Train on this").click()
    expect(page.locator("#summary")).to_contain_text("9 photos in 2 classes", timeout=MINUTE)
    page.locator("#go").click()
    expect(page.locator("#status")).to_contain_text("Finished", timeout=2 * MINUTE)


def test_a_burst_of_the_camera_is_kept_photo_by_photo(collecting: Page, server: Server) -> None:
    page, before = collecting, photos_on_disk(server)
    add_class(page, "faces")
    page.get_by_text("Click to Access Webcam").click()
    page.locator("#camera").get_by_role("button", name="capture photo").click()
    expect(page.locator("#collected")).to_contain_text(re.compile(r"[1-9]\d photos in faces"), timeout=MINUTE)
    page.locator("#camera").get_by_role("button", name="capture photo").click()
    page.wait_for_timeout(1500)  # what was on its way arrives
    kept = photos_on_disk(server) - before
    expect(page.locator("#collected")).to_contain_text(f"{kept} photos in faces", timeout=MINUTE)
    expect(page.locator("#class")).to_contain_text(f"faces ({kept})")
    assert not page.locator("#snapshot-box").is_visible()


def test_without_a_camera_in_the_page_the_devices_own_takes_its_place(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    page.add_init_script(NO_CAMERA)
    page.reload()
    page.locator("#summary table").wait_for()
    enter(page)
    page.get_by_role("tab", name="Collect").click()
    page.get_by_role("button", name="New data set").click()
    expect(page.locator("#snapshot-box")).to_contain_text("your device's own camera", timeout=MINUTE)
    expect(page.locator("#camera-box")).to_be_hidden()
    assert page.locator("#snapshot-box input[type=file]").get_attribute("capture") == "environment"


def test_a_check_names_a_duplicate_and_keeps_one_of_each(server: Server, visit: Visit) -> None:
    folder = server.folder / "data" / "twins"
    make_data(folder, each=8)
    first = sorted((folder / "red").iterdir())[0]
    (folder / "red" / "again.png").write_bytes(first.read_bytes())
    (folder / "blue" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page = visit(server.url)
    enter(page)
    page.locator("#data-set input").click()
    page.get_by_role("option", name="twins").click()
    page.get_by_role("tab", name="Check").click()
    page.locator("#check").click()
    expect(page.locator("#report")).to_contain_text("there more than once", timeout=2 * MINUTE)
    expect(page.locator("#report")).to_contain_text("blue/broken.png")
    page.locator("#one-of-each").click()
    expect(page.locator("#undo")).to_be_visible(timeout=MINUTE)
    assert (folder / "red" / "again.png").is_file()
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_hidden(timeout=MINUTE)


def test_a_photo_is_shown_through_the_network(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    enter(page)
    page.locator("#see").click()
    expect(page.locator("#network-view figure")).to_have_count(11, timeout=MINUTE)
    assert page.locator("#network-view img").first.evaluate("image => image.naturalWidth") > 100
