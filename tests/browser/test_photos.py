"""The Photos tab in a real browser: collect with files and camera, undo, look, check, mend, train, delete."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import choose, loaded, make_data, unfold
from tests.serving import Server

Visit = Callable[..., Page]
NO_CAMERA = "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"


@pytest.fixture
def collecting(server: Server, visit: Visit) -> Page:
    """A page with a new data set open for photos."""
    page = visit(server.url)
    page.locator("#door-own").click()
    expect(page.locator("#card-2")).to_be_visible()
    return page


def add(page: Page, number: int, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"#add-{number}").click()
    chooser.value.set_files(files)
    expect(page.locator("#photos-said")).to_contain_text("added to")


def name_class(page: Page, number: int, name: str) -> None:
    field = page.locator(f"#title-{number}").get_by_role("textbox")
    field.fill(name)
    field.press("Enter")
    expect(page.locator("#photos-said")).to_contain_text(name)


def photos_on_disk(server: Server) -> int:
    return len(list((server.folder / "uploads").glob("*/own-*/[!.]*/[!.]*")))


def press_record(page: Page) -> None:
    """Begin a burst or end it; in the middle of the window, where the bar at its foot does not lie over it."""
    button = page.locator("#camera").get_by_role("button", name="capture photo")
    button.evaluate("part => part.scrollIntoView({block: 'center'})")
    button.click()


def settled(page: Page, server: Server) -> None:
    """Wait until what was on its way has arrived: three looks in a row see the same photos."""
    same, seen = 0, -1
    while same < 3:
        page.wait_for_timeout(700)
        now = photos_on_disk(server)
        same, seen = (same + 1 if now == seen else 0), now


def test_photos_class_by_class_survive_a_reload_and_train(collecting: Page, tmp_path: Path) -> None:
    page = collecting
    make_data(tmp_path / "new", each=5)
    for number, name in ((1, "blue"), (2, "red")):
        name_class(page, number, name)
        add(page, number, sorted((tmp_path / "new" / name).iterdir()))
        expect(page.locator(f"#count-{number}")).to_contain_text("5 photos")
    page.locator("#own-photos-2 button").first.click()
    expect(page.locator("#own-photos-2-where")).to_contain_text("1 marked")
    page.locator("#remove-2").click()
    expect(page.locator("#count-2")).to_contain_text("4 photos")
    page.reload()
    loaded(page)
    expect(page.locator("#card-1")).to_contain_text("5 photos")
    expect(page.locator("#current-words")).to_contain_text("My photos: blue (5), red (4)")
    page.locator("#photos-train").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    expect(page.locator("#status")).to_contain_text(re.compile(r"\d+ of \d+ right"))  # so few are counted, not measured
    assert "%" not in page.locator("#status").inner_text()


def test_the_last_upload_and_the_last_removal_can_be_undone(collecting: Page, tmp_path: Path, server: Server) -> None:
    page, before = collecting, photos_on_disk(server)
    make_data(tmp_path / "new", each=3)
    files = sorted((tmp_path / "new" / "blue").iterdir())
    add(page, 1, files)
    page.locator("#own-photos-1-all").click()
    expect(page.locator("#own-photos-1-where")).to_contain_text("3 marked")
    page.locator("#remove-1").click()
    expect(page.locator("#undo-last")).to_contain_text("bring back 3 photos")
    assert photos_on_disk(server) == before
    page.locator("#undo-last").click()
    expect(page.locator("#count-1")).to_contain_text("3 photos")
    assert photos_on_disk(server) == before + 3
    add(page, 1, files[:1])
    page.locator("#undo-last").click()
    expect(page.locator("#photos-said")).to_contain_text("removed again")
    assert photos_on_disk(server) == before + 3
    expect(page.locator("#undo-last")).to_be_hidden()


def test_a_file_that_is_no_photo_is_named_and_the_others_stay(collecting: Page, tmp_path: Path) -> None:
    page = collecting
    make_data(tmp_path / "new", each=2)
    bad = tmp_path / "notes.txt"
    bad.write_text("no picture")
    add(page, 1, [*sorted((tmp_path / "new" / "blue").iterdir()), bad])
    expect(page.locator("#photos-said")).to_contain_text("notes.txt")
    expect(page.locator("#count-1")).to_contain_text("2 photos")
    assert "image" in (page.locator("#card-1 input[type=file]").first.get_attribute("accept") or "")


def test_a_burst_of_the_camera_is_kept_photo_by_photo_and_undone_at_once(collecting: Page, server: Server) -> None:
    page, before = collecting, photos_on_disk(server)
    name_class(page, 1, "faces")
    page.locator("#film-1").click()
    page.get_by_text("Click to Access Webcam").click()
    press_record(page)
    expect(page.locator("#photos-said")).to_contain_text(re.compile(r"[1-9]\d photos in faces"))
    press_record(page)
    settled(page, server)
    kept = photos_on_disk(server) - before
    expect(page.locator("#count-1")).to_contain_text(f"{kept} photos")
    expect(page.locator("#snapshot-box")).to_be_hidden()
    page.locator("#undo-last").click()
    expect(page.locator("#count-1")).to_contain_text("No photo yet")
    assert photos_on_disk(server) == before


def test_without_a_camera_in_the_page_the_devices_own_takes_its_place(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    page.add_init_script(NO_CAMERA)
    page.reload()
    loaded(page)
    page.locator("#door-own").click()
    page.locator("#film-1").click()
    expect(page.locator("#snapshot-box")).to_contain_text("your device's own camera")
    expect(page.locator("#camera-box")).to_be_hidden()
    assert page.locator("#snapshot-box input[type=file]").get_attribute("capture") == "environment"
    page.get_by_role("tab", name="Predict").click()
    expect(page.locator("#predict-snapshot")).to_be_visible()


def test_a_check_names_a_duplicate_and_keeps_one_of_each(server: Server, visit: Visit) -> None:
    folder = server.folder / "data" / "twins"
    make_data(folder, each=8)
    first = sorted((folder / "red").iterdir())[0]
    (folder / "red" / "again.png").write_bytes(first.read_bytes())
    (folder / "blue" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page = visit(server.url)
    choose(page, "data", "twins")
    unfold(page, "check-box")
    page.locator("#check").click()
    expect(page.locator("#check-report")).to_contain_text("there more than once")
    expect(page.locator("#check-report")).to_contain_text("blue/broken.png")
    expect(page.locator("#check-box")).to_contain_text(re.compile(r"Check for mistakes: \d+ found"))
    page.locator("#one-of-each").click()
    expect(page.locator("#undo")).to_be_visible()
    assert (folder / "red" / "again.png").is_file()
    page.locator("#undo").click()
    expect(page.locator("#undo")).to_be_hidden()


def test_a_photo_is_shown_through_the_network(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    unfold(page, "look")
    expect(page.locator("#look-photos-where")).to_contain_text("photos")
    page.locator("#see").click()
    expect(page.locator("#network-view figure")).to_have_count(11)
    assert page.locator("#network-view img").first.evaluate("image => image.naturalWidth") > 100


def test_my_things_are_listed_with_sizes_and_deleted_after_a_question(
    collecting: Page, server: Server, tmp_path: Path
) -> None:
    page, before = collecting, photos_on_disk(server)
    make_data(tmp_path / "new", each=4)
    for number, name in ((1, "blue"), (2, "red")):
        add(page, number, sorted((tmp_path / "new" / name).iterdir()))
    page.locator("#photos-train").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    page.get_by_role("tab", name="Photos").click()
    unfold(page, "things")
    expect(page.locator("#things-list label")).to_have_count(2)
    expect(page.locator("#things-list")).to_contain_text(re.compile(r"Photos: My photos, 8 photos, [\d.]+ kB"))
    page.locator("#delete-one").click()
    expect(page.locator("#things-said")).to_contain_text("Pick one")
    page.locator("#delete-all").click()
    page.get_by_label("My trainings too").check()
    assert photos_on_disk(server) == before + 8  # not before the answer
    page.locator("#delete-all-yes").click()
    expect(page.locator("#things-said")).to_contain_text("1 data set, 1 training")
    assert photos_on_disk(server) == before
