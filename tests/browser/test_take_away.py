"""The whole way out: trained on the page, taken away as one file, opened from the disk, and it says the same."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import train_own_photos, unfold
from tests.browser.test_static_page import found_runtime
from tests.serving import Server

Visit = Callable[..., Page]


def test_a_page_in_one_file_says_what_the_page_it_comes_from_says(
    visit: Visit, server: Server, browser: Browser, tmp_path: Path
) -> None:
    found_runtime()  # skips where it cannot be had
    page = visit(server.url)
    train_own_photos(page, tmp_path / "in", 8)
    unfold(page, "take-away")
    page.locator("#take-single").click()
    expect(page.locator("#take-said")).to_contain_text("16 of 16 the same class")
    with page.expect_download() as taken:
        page.locator("#take-file").click()
    taken.value.save_as(tmp_path / "taken.html")
    alone = browser.new_page()
    alone.goto(f"file://{tmp_path / 'taken.html'}")
    photos = [next((tmp_path / "in" / name).iterdir()) for name in ("blue", "red")]
    alone.evaluate("() => classifier.ready")
    alone.locator("input[type=file]").first.set_input_files(photos)
    for said in ("Class 1, ", "Class 2, "):
        expect(alone.locator("body")).to_contain_text(said)
    alone.close()
