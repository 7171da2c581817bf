"""A name of the hub, typed into the list of classifiers: fetched, told and listed, or refused in words."""

from pathlib import Path

import gradio as gr
import pytest

from tests.hub.conftest import hub as hub
from tests.hub_server import Hub
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.settings import Settings
from tl_engine.runs.meta import META
from tl_engine.runs.saved_classifier import TENSORS
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace, new_token
from ui.landing import landing
from ui.predict.classifiers import choices
from ui.predict.from_hub import FromHub
from ui.predict.tab import predict_one
from ui.predict.verdict import verdict_html

pytestmark = pytest.mark.usefixtures("unserved")

NAME = "hub:tester/cats"


@pytest.fixture
def view(settings: Settings) -> FromHub:
    with gr.Blocks():
        made = FromHub(settings, ClassifierPool(settings), gr.BrowserState(""))
        made.connect()
    return made


def ship(hub: Hub, settings: Settings) -> str:
    folder = settings.demo / "cats-or-dogs"
    return hub.put("tester/cats", {name: (folder / name).read_bytes() for name in (META, TENSORS)})


def test_what_is_typed_is_fetched_told_and_listed_for_that_visitor(
    view: FromHub, hub: Hub, settings: Settings, tmp_path: Path
) -> None:
    assert not view.pool.here(NAME)
    commit, token, other = ship(hub, settings), new_token(), new_token()
    shown = view.take_classifier(token, NAME, 0, progress=lambda *_, **__: None)
    assert shown[view.fetched] == "1"
    assert f"{NAME} is commit {commit}. It knows cats and dogs." in shown[view.said]
    visitor = Workspace(settings, token)
    assert ("From the hub: tester/cats", NAME) in choices(visitor)
    assert NAME not in [value for _, value in choices(Workspace(settings, other))]
    assert landing(visitor, {"classifier": NAME}, None).classifier == NAME
    assert view.take_classifier(token, NAME, 1) == {}
    from PIL import Image

    Image.new("RGB", (64, 64), (90, 60, 30)).save(tmp_path / "brown.png")
    answer, _ = predict_one(view.pool, str(tmp_path / "brown.png"), NAME, 0.98)
    assert set(answer.probabilities) == {"cats", "dogs"}
    assert "data-verdict" in verdict_html(answer, NAME, visitor)


def test_what_is_listed_needs_nothing(view: FromHub, hub: Hub) -> None:
    assert view.take_classifier(new_token(), "imagenet", 0) == {}
    assert hub.asked == []


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["cats", "hub:", "hub:cats", "hub:../x/y", "hub:tester/no", "<b>x</b>", None, 3, []])
def test_what_is_nothing_is_refused_in_words(view: FromHub, name: object) -> None:
    with pytest.raises(EngineError) as caught:
        view.take_classifier(new_token(), name, 0)
    assert str(caught.value).endswith(".")
    assert isinstance(caught.value, HubError)
