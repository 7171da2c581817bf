"""The ways through the page that it is made for: a pupil on a phone, her friend, the day after, a teacher."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import choose, keeps, loaded, make_data, unfold
from tests.serving import Server

Visit = Callable[..., Page]
SECONDS = 60  # for the whole training under load; measured on two quiet cores: under 10


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    """A phone with touch, and what it remembers."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield context
    context.close()


def tap_and_choose(page: Page, element: str, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(element).tap()
    chooser.value.set_files(files)


def test_a_pupils_four_taps_her_friends_one_and_the_next_day(
    phone: BrowserContext, visit: Visit, server: Server, tmp_path: Path
) -> None:
    make_data(tmp_path / "in", each=8)
    photos = {name: sorted((tmp_path / "in" / name).iterdir()) for name in ("blue", "red")}
    page = visit(server.url, phone)
    page.locator("#door-own").tap()  # 1
    tap_and_choose(page, "#add-1", photos["blue"])  # 2
    expect(page.locator("#count-1")).to_contain_text("8 photos")
    tap_and_choose(page, "#add-2", photos["red"])  # 3
    expect(page.locator("#count-2")).to_contain_text("8 photos")
    before = time.monotonic()
    page.locator("#photos-train").tap()  # 4
    expect(page.locator("#status")).to_contain_text("Finished: ")
    assert time.monotonic() - before < SECONDS
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)
    expect(page.locator("#use")).to_be_in_viewport(ratio=1)
    page.locator("#share-result").tap()
    expect(page.locator("#link")).to_be_visible()
    link = page.locator("#link textarea, #link input").first.input_value()

    friend = visit(link)
    expect(friend.locator("#from-link")).to_contain_text("A classifier of Class 1 and Class 2, from a link")
    with friend.expect_file_chooser() as chooser:
        friend.locator("#photo").get_by_role("button", name=re.compile("upload", re.I)).first.click()  # her one tap
    chooser.value.set_files(photos["red"][0])
    expect(friend.locator("#answer")).to_contain_text("Class 2")
    expect(friend.locator("#answer")).to_be_in_viewport()

    page.close()
    tomorrow = visit(server.url, phone)
    expect(tomorrow.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")
    expect(tomorrow.locator("#current-words")).to_contain_text("My photos: Class 1 (8), Class 2 (8)")
    expect(tomorrow.locator("#current-words")).to_contain_text(re.compile(r"\d+ of \d+ right"))
    expect(tomorrow.locator("#classifier input").first).to_have_value(re.compile("My photos"))
    tomorrow.get_by_role("tab", name="Photos").click()
    expect(tomorrow.locator("#count-2")).to_contain_text("8 photos")


def test_a_teachers_zip_is_checked_mended_trained_and_read_as_numbers(
    visit: Visit, server: Server, browser: Browser, tmp_path: Path
) -> None:
    make_data(tmp_path / "in", each=12)
    (tmp_path / "in" / "red" / "again.png").write_bytes((tmp_path / "in" / "red" / "0.png").read_bytes())
    archive = shutil.make_archive(str(tmp_path / "lesson"), "zip", tmp_path / "in")
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = visit(server.url, context)
    page.locator("#door-zip").click()
    page.locator("#upload input[type=file]").set_input_files(archive)
    expect(page.locator("#summary")).to_contain_text("25 photos in 2 classes")
    unfold(page, "check-box")
    page.locator("#check").click()
    expect(page.locator("#check-report")).to_contain_text("keep one of each")
    page.locator("#one-of-each").click()
    expect(page.locator("#undo")).to_be_visible()
    page.locator("#photos-train").click()
    expect(page.locator("#status")).to_contain_text("Finished")
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)
    page.locator("#report-result").click()
    expect(page.locator("#report")).to_contain_text("lesson, 1 correction")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as CSV").click()
    assert download.value.suggested_filename.startswith("lesson")
    context.close()


def test_what_was_current_is_current_after_a_reload(visit: Visit, server: Server) -> None:
    page = visit(server.url)
    choose(page, "data", "colours")
    expect(page.locator("#summary")).to_contain_text("12 photos in 2 classes")
    page.get_by_role("tab", name="Predict").click()
    choose(page, "classifier", "Cats or dogs")
    keeps(page, data="colours", classifier="cats-or-dogs")
    page.reload()
    loaded(page)
    expect(page.locator("#data input").first).to_have_value(re.compile("colours"))
    page.get_by_role("tab", name="Predict").click()
    expect(page.locator("#classifier input").first).to_have_value("Cats or dogs")
