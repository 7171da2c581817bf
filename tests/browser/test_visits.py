"""Going on on another device, and coming back to a server that has lost what the browser remembers."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import keeps, loaded, make_data, unfold
from tests.serving import Server

BROKEN_OFF = re.compile(r"net::ERR_|network error")
Visit = Callable[..., Page]
TOKEN = re.compile(r"[0-9a-f]{32}")


def typed(page: Page, element: str) -> str:
    return page.locator(f"#{element} textarea, #{element} input").first.input_value()


def bring_photos(page: Page, folder: Path, number: int = 3) -> None:
    """A data set of one's own with so many photos in its first class."""
    make_data(folder, each=number, classes=("blue",))
    page.locator("#door-own").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#add-1").click()
    chooser.value.set_files(sorted((folder / "blue").iterdir()))
    expect(page.locator("#count-1")).to_contain_text(f"{number} photos")


def made_code(page: Page) -> str:
    page.locator("#current-carry").click()
    page.locator("#carry-make").click()
    expect(page.locator("#carry-said")).to_contain_text("within ten minutes")
    return typed(page, "carry-code")


def test_a_workspace_is_carried_by_a_code_that_is_typed(visit: Visit, server: Server, tmp_path: Path) -> None:
    desktop, phone = visit(server.url), visit(server.url)
    bring_photos(desktop, tmp_path / "in")
    code = made_code(desktop)
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", code)
    phone.locator("#have-code").click()
    phone.locator("#carry-typed textarea, #carry-typed input").first.fill("2222-2222")
    phone.locator("#carry-enter").click()
    expect(phone.locator("#carry-said")).to_contain_text("This code is wrong")
    phone.locator("#carry-typed textarea, #carry-typed input").first.fill(code.lower())
    phone.locator("#carry-enter").click()
    expect(phone.locator("#carry-said")).to_contain_text("goes on with what your other device has")
    expect(phone.locator("#current-words")).to_contain_text("My photos: Class 1 (3)")
    expect(phone.locator("#count-1")).to_contain_text("3 photos")
    keeps(phone, data="upload:")
    phone.reload()  # it stays
    loaded(phone)
    expect(phone.locator("#current-words")).to_contain_text("My photos: Class 1 (3)")
    log = (server.folder / "server.log").read_text()
    assert code not in log
    assert not TOKEN.search(log)


def test_a_link_asks_who_has_something_of_their_own_first(visit: Visit, server: Server, tmp_path: Path) -> None:
    desktop, phone = visit(server.url), visit(server.url)
    bring_photos(desktop, tmp_path / "desktop", 3)
    bring_photos(phone, tmp_path / "phone", 4)
    made_code(desktop)
    link = typed(desktop, "carry-link")
    assert not TOKEN.search(link)
    phone.goto("about:blank")
    phone.goto(link)
    loaded(phone)
    expect(phone.locator("#carry-said")).to_contain_text("Press Go on here")
    assert "code" not in phone.url
    phone.locator("#carry-enter").click()
    expect(phone.locator("#carry-enter-question")).to_contain_text("1 thing of its own")
    phone.locator("#carry-enter-no").click()
    expect(phone.locator("#current-words")).to_contain_text("Class 1 (4)")
    phone.locator("#carry-enter").click()
    phone.locator("#carry-enter-yes").click()
    expect(phone.locator("#current-words")).to_contain_text("Class 1 (3)")
    expect(phone.locator("#count-1")).to_contain_text("3 photos")


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Server]:
    """A page of its own, whose disk is emptied."""
    folder = tmp_path / "server"
    folder.mkdir()
    running = Server(folder, flags=("--no-spare",))
    yield running.start()
    running.stop()


def test_a_server_that_lost_everything_says_so_and_offers_the_doors(
    visit: Visit, forgetful: Server, tmp_path: Path
) -> None:
    page = visit(forgetful.url)
    bring_photos(page, tmp_path / "in")
    keeps(page, data="upload:")
    context = page.context
    page.close()
    # What still streamed breaks off, and the browser says so: that is not the page's doing.
    visit.expected.append(BROKEN_OFF)  # type: ignore[attr-defined]
    forgetful.stop()
    for name in ("uploads", "runs"):
        shutil.rmtree(forgetful.folder / name, ignore_errors=True)
    forgetful.start()
    page = visit(forgetful.url, context)
    expect(page.locator("#current-said")).to_contain_text("What you had here is gone")
    expect(page.locator("#door-own")).to_be_visible()
    unfold(page, "things")
    expect(page.locator("#things-words")).to_contain_text("Nothing here is yours yet")
    bring_photos(page, tmp_path / "again")
    keeps(page, data="upload:")
    page.reload()
    loaded(page)
    expect(page.locator("#current-words")).to_contain_text("Class 1 (3)")
    expect(page.locator("#current-said")).not_to_contain_text("gone")
