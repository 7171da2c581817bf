"""A classifier from the hub, typed on the page of a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sklearn import datasets

from tests.browser.conftest import keeps, loaded, open_tab
from tests.hub_server import Hub, serving_models
from tests.serving import PROJECT, Server

NAME = "hub:tester/cats"


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Server, Hub]]:
    """A page that asks a hub on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("TL_CACHE_DIR", str(tmp_path / "cache"))
    with serving_models() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        server = Server(tmp_path).start()
        try:
            yield server, hub
        finally:
            server.stop()


def test_a_name_that_is_typed_is_fetched_and_answers(asking: tuple[Server, Hub], visit: Callable[..., Page]) -> None:
    server, hub = asking
    shipped = PROJECT / "weights" / "demo" / "cats-or-dogs"
    commit = hub.put("tester/cats", {n: (shipped / n).read_bytes() for n in ("meta.json", "model.safetensors")})
    page = visit(server.url)
    open_tab(page, "Predict")
    field = page.locator("#classifier input")
    field.fill("hub:tester/nothing")
    field.press("Enter")
    expect(page.locator("#hub-said")).to_contain_text("is not on the hub, or not open to everybody")
    field.fill(NAME)
    field.press("Enter")
    expect(page.locator("#hub-said")).to_contain_text(f"is commit {commit}. It knows cats and dogs.")
    expect(field).to_have_value("From the hub: tester/cats")
    page.locator("#photo input[type=file]").set_input_files(Path(datasets.__file__).parent / "images" / "flower.jpg")
    expect(page.locator("#answer")).to_contain_text("cats")
    keeps(page, classifier="tester/cats")
    page.reload()
    loaded(page)
    open_tab(page, "Predict")
    expect(page.locator("#classifier input")).to_have_value("From the hub: tester/cats")
