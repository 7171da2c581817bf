"""The report in a real browser: its numbers open, photos are corrected and trained on again; why, and unlike."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import open_tab, train_own_photos
from tests.serving import Server

Visit = Callable[..., Page]


def mislabelled(folder: Path) -> None:
    """One blue photo among the red ones."""
    stray = folder / "blue" / "0.png"
    stray.rename(folder / "red" / "stray.png")


def test_a_cell_opens_its_photos_are_corrected_and_before_and_after_stand_side_by_side(
    visit: Visit, server: Server, tmp_path: Path
) -> None:
    page = visit(server.url)
    train_own_photos(page, tmp_path / "in", 8, spoil=mislabelled)
    page.locator("#report-result").click()
    matrix = page.locator("#report-matrix")
    expect(matrix).to_contain_text("What it confuses")
    expect(page.locator("#report")).to_contain_text("was judged by a head that had not seen it")
    matrix.locator("td.tl-wrong button").first.click()
    expect(page.locator("#cell-title")).to_contain_text("Class 2, taken for Class 1")
    page.locator("#cell-drop").click()
    expect(page.locator("#cell-said")).to_contain_text("No photo is marked")
    page.locator("#cell-photos-all").click()
    expect(page.locator("#cell-photos-where")).to_contain_text("1 marked")
    page.locator("#cell-relabel").click()
    expect(page.locator("#cell-said")).to_contain_text("1 photo relabelled")
    page.locator("#train-again").click()
    # Until the page goes there, "Finished" is what it says of the training before.
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#status")).to_contain_text("Finished")
    open_tab(page, "Report")
    expect(page.locator("#report")).to_contain_text("1 correction")
    expect(page.locator("#compared")).to_contain_text("1 label changed in between")


def test_predict_says_why_and_what_a_photo_resembles(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit(server.url)
    train_own_photos(page, tmp_path / "in", 4)
    page.locator("#use").click()
    page.locator("#photo input[type=file]").first.set_input_files(next((tmp_path / "in" / "red").iterdir()))
    expect(page.locator("#verdict")).to_contain_text("Class 2")
    expect(page.locator("#verdict .tl-nearest li")).to_have_count(5)
    page.locator("#why").click()
    expect(page.locator("#why-sentence")).to_contain_text("Class 2")
