"""The first minute: nothing is pressed before the page knows whose it is; a page that never learns still works."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs.run import find_run
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import TOKEN, Workspace, new_token
from ui.page import build_page
from ui.photos.tab import DataTab
from ui.train.run_view import EventReader
from ui.train.tab import TrainTab
from ui.waking import PRESSES

Tabs = tuple[TrainTab, DataTab]
NONE_YET = pytest.mark.parametrize("none", ["", None])


@pytest.fixture
def tabs(here: Settings) -> Tabs:
    with gr.Blocks(analytics_enabled=False), gr.Tabs() as both:
        workspace = gr.BrowserState("", storage_key="k", secret="s")
        train, data = TrainTab(here, workspace, EventReader()), DataTab(here, workspace)
        data.connect(both, train.form)
    return train, data


def parts_by_id(page: gr.Blocks) -> dict[int, dict[str, Any]]:
    return {part["id"]: part["props"] for part in page.get_config_file()["components"]}


def test_whatever_needs_a_workspace_sleeps_until_the_page_has_one(here: Settings) -> None:
    page = build_page(here, ClassifierPool(here))
    parts = parts_by_id(page)
    restore = next(function for function in page.fns.values() if function.name == "restore")
    assert restore.fn is not None
    values = restore.fn("", SimpleNamespace(query_params={}))
    woken = {part._id for part, value in values.items() if isinstance(value, dict) and value.get("interactive")}
    pressed = {
        key
        for function in page.fns.values()
        if any(isinstance(part, gr.BrowserState) for part in function.inputs)
        for key, event in function.targets
        if event in PRESSES
    }
    assert {"go", "new-data", "fetch", "hub", "check"} <= {parts[key].get("elem_id") for key in woken}
    assert [parts[key] for key in pressed if parts[key].get("interactive") is not False] == []
    assert "halt" not in {parts[key].get("elem_id") for key in woken}  # it wakes for a run that is going on
    assert set(values) == set(restore.outputs)
    assert TOKEN.fullmatch(values[restore.inputs[0]])


def test_an_owner_is_the_workspace_or_a_new_one_and_nothing_malformed(settings: Settings) -> None:
    known = new_token()
    assert Workspace.of(settings, known).token == known
    assert TOKEN.fullmatch(Workspace.of(settings, "").token)
    assert Workspace.of(settings, None) != Workspace.of(settings, None)
    for bad in ("..", "A" * 32, "a" * 31, 7, ["a"], {}, False, 0):
        with pytest.raises(EngineError):
            Workspace.of(settings, bad)


def test_train_without_a_workspace_makes_one_and_hands_it_to_the_page(tabs: Tabs, make_images: MakeImages) -> None:
    train, _ = tabs
    make_images("data/colours")
    values = {control: control.value for control in (*train.form.options.values(), train.form.preset)}
    values |= {train.form.data: "colours", train.form.epochs: 9999, train.workspace: ""}
    shown = train.start_training(values)
    run, owner = find_run(shown[train.run].value, train.settings), shown[train.workspace]
    assert run.facts.workspace == owner
    assert (
        train.start_training(values | {train.workspace: owner})[train.run].value == run.name
    )  # the same, not a second one


@NONE_YET
def test_a_new_data_set_without_a_workspace_is_its_visitors(none: Any, tabs: Tabs) -> None:
    _, data = tabs
    owner = data.create_collection(none)[data.workspace]
    (choice,) = [v for label, v in Workspace(data.settings, owner).choices() if label == "Yours: My photos"]
    assert data.collect.opened(choice, owner).classes() == []


def test_a_zip_without_a_workspace_is_its_visitors(tabs: Tabs, make_images: MakeImages, tmp_path: Path) -> None:
    form = tabs[0].form
    archive = shutil.make_archive(str(tmp_path / "holiday"), "zip", make_images("in"))
    shown = form.take_upload(archive, "", gr.Progress())
    visitor = Workspace(form.settings, shown[form.workspace])
    assert ("Yours: holiday", shown[form.data].value) in visitor.choices()


@NONE_YET
def test_looking_around_without_a_workspace_shows_what_everybody_sees(none: Any, tabs: Tabs) -> None:
    train, data = tabs
    assert data.list_data("digits", none)[data.choice].value == "digits"
    assert data.look.show_photos("digits", none)
    assert data.show_data("digits", none)
    assert data.collect.show_class("digits", none, None)
    assert set(train.show_run(None, [], none)) == set(train.shown)
    assert "10 classes" in train.form.describe_data("digits", none)[train.form.summary]


@pytest.mark.parametrize("bad", ["..", "A" * 32, "../" + "a" * 29])
def test_a_malformed_workspace_is_refused_and_leaves_nothing(bad: str, tabs: Tabs) -> None:
    train, data = tabs
    values = {control: control.value for control in (*train.form.options.values(), train.form.preset)}
    for press in (
        lambda: train.start_training(values | {train.workspace: bad}),
        lambda: data.create_collection(bad),
        lambda: data.check.check_data("digits", bad),
        lambda: train.form.take_upload("photos.zip", bad),
        lambda: train.form.fetch_from_hub("me/photos", bad),
        lambda: train.form.delete_everything(bad, True),
    ):
        with pytest.raises(gr.Error):
            press()
    assert not train.settings.uploads.exists()
    assert not train.settings.runs.exists()
