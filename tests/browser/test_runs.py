"""The Runs tab as a person uses it: two side by side, one deleted and brought back, one used again; on a phone too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.ended_runs import ended_run
from tests.browser.conftest import loaded, open_tab
from tests.serving import Server
from tl_engine.base.settings import Settings
from tl_engine.runs import titles

Visit = Callable[..., Page]
PHONE = {"width": 390, "height": 844}
EVIL = "<img src=x onerror=document.title='hacked'>"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("runs"), flags=("--no-spare",))
    yield server.start(seconds=300)
    server.stop()


@pytest.fixture
def own(running: Server, visit: Visit) -> Page:
    """The Runs tab of somebody with thirty runs that have ended, of which the newest has odd letters in its name."""
    page = visit(running.url)
    before = set(workspaces(running.folder))
    page.locator("#door-own").click()
    expect(page.locator("#add-1")).to_be_visible()
    (owner,) = set(workspaces(running.folder)) - before
    settings, first = Settings(runs=running.runs), len(list(running.runs.glob("*/config.json")))
    runs = [ended_run(settings, first + number, owner) for number in range(30)]
    titles.rename(runs[-1], EVIL)
    page.reload()
    loaded(page)
    open_tab(page, "Runs")
    expect(page.locator("#runs-list tbody tr")).to_have_count(25)
    return page


def workspaces(folder: Path) -> list[str]:
    return [path.name for path in (folder / "uploads").glob("[!.]*")]


def test_two_runs_stand_side_by_side_with_a_verdict(own: Page) -> None:
    rows = own.locator("#runs-list tbody tr")
    for number in (1, 2):
        rows.nth(number).get_by_role("checkbox").check()
    expect(own.locator("#lay-beside")).to_contain_text("2 ticked")
    own.locator("#lay-beside").click()
    expect(own.locator("#beside-words")).to_contain_text("No evidence that one is better")
    expect(own.locator("#settings-differ")).to_contain_text("Epochs")
    expect(own.locator("#accuracy-beside .tl-curve")).to_have_count(4)


def test_a_run_is_found_deleted_and_brought_back(own: Page) -> None:
    own.get_by_label("Find").fill("img src")
    rows = own.locator("#runs-list tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("button").click()
    own.locator("#delete-run").click()
    own.locator("#delete-run-yes").click()
    expect(rows).to_have_count(0)
    own.locator("#undo-delete").click()
    expect(own.locator("#runs-said")).to_contain_text("is back")
    expect(rows).to_have_count(1)
    expect(own.locator("#runs-list img")).to_have_count(0)
    assert own.title() != "hacked"


def test_the_settings_of_a_run_are_used_again_with_the_keyboard(own: Page) -> None:
    button = own.locator("#runs-list [data-run]").nth(1)
    epochs = own.locator("#runs-list tbody tr").nth(1).inner_text().split(" epochs")[0].rsplit(" ", 1)[-1]
    button.focus()
    own.keyboard.press("Enter")
    own.locator("#again-run").click()
    expect(own.locator("#train-said")).to_contain_text("are in the form")
    expect(own.get_by_label("Epochs", exact=True)).to_have_value(epochs)


def test_on_a_phone_the_runs_are_cards_and_nothing_scrolls_sideways(own: Page) -> None:
    own.set_viewport_size(PHONE)  # type: ignore[arg-type]
    expect(own.locator("#runs-list thead")).not_to_be_in_viewport()
    own.locator("#runs-list [data-run]").first.click()
    expect(own.locator("#one-run")).to_be_in_viewport()
    assert own.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    short = own.locator("#runs-list [data-run]").evaluate_all(
        "all => all.filter((part) => part.getBoundingClientRect().height < 44).length"
    )
    assert short == 0
