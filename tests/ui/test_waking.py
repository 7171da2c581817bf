"""The first minute: nothing is pressed before the page knows whose it is; a page that never learns still works."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.run import find_run, list_runs
from tl_engine.workspaces import data_choices
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import TOKEN, new_token, owner_of
from ui.page import build_page
from ui.photos.tab import DataTab
from ui.train.tab import TrainTab
from ui.waking import PRESSES

Tabs = tuple[TrainTab, DataTab]
NONE_YET = pytest.mark.parametrize("none", ["", None])


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings with uploads of their own; runs that were started are stopped afterwards."""
    own = dataclasses.replace(settings, uploads=tmp_path / "uploads")
    yield own
    for run in list_runs(own):
        queue.stop(run, own)


@pytest.fixture
def tabs(here: Settings) -> Tabs:
    with gr.Blocks(analytics_enabled=False), gr.Tabs() as both:
        workspace = gr.BrowserState("", storage_key="k", secret="s")
        train, data = TrainTab(here, workspace), DataTab(here, workspace)
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
    woken = {
        part._id
        for part, value in zip(restore.outputs, values, strict=True)
        if isinstance(value, dict) and value.get("interactive")
    }
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
    assert TOKEN.fullmatch(values[0])


def test_an_owner_is_the_workspace_or_a_new_one_and_nothing_malformed() -> None:
    known = new_token()
    assert owner_of(known) == known
    assert TOKEN.fullmatch(owner_of(""))
    assert owner_of(None) != owner_of(None)
    for bad in ("..", "A" * 32, "a" * 31, 7, ["a"], {}, False, 0):
        with pytest.raises(EngineError):
            owner_of(bad)


def test_train_without_a_workspace_makes_one_and_hands_it_to_the_page(tabs: Tabs, make_images: MakeImages) -> None:
    train, _ = tabs
    make_images("data/colours")
    values = {control: control.value for control in (*train.form.options.values(), train.form.preset)}
    values |= {train.form.data: "colours", train.form.epochs: 9999, train.workspace: ""}
    shown, _, owner = train.start(values)
    run = find_run(shown.value, train.settings)
    assert run.facts.workspace == owner
    assert train.start(values | {train.workspace: owner})[0].value == run.name  # the same, not a second one


@NONE_YET
def test_a_new_data_set_without_a_workspace_is_its_visitors(none: Any, tabs: Tabs) -> None:
    _, data = tabs
    *_, owner = data.made(none)
    (choice,) = [v for label, v in data_choices.choices(data.settings, owner) if label == "Yours: My photos"]
    assert data.collect.opened(choice, owner).classes() == []


def test_a_zip_without_a_workspace_is_its_visitors(tabs: Tabs, make_images: MakeImages, tmp_path: Path) -> None:
    form = tabs[0].form
    archive = shutil.make_archive(str(tmp_path / "holiday"), "zip", make_images("in"))
    listed, *_, owner, _ = form.take(archive, "", gr.Progress())
    assert ("Yours: holiday", listed.value) in data_choices.choices(form.settings, owner)


@NONE_YET
def test_looking_around_without_a_workspace_shows_what_everybody_sees(none: Any, tabs: Tabs) -> None:
    train, data = tabs
    assert data.listed("digits", none)[0].value == "digits"
    assert data.look.show("digits", none)
    assert data.check.show("digits", none)
    assert data.collect.show("digits", none)
    assert train.follow_anew(None, [], none)
    assert "10 classes" in str(train.form.describe("digits", none))


@pytest.mark.parametrize("bad", ["..", "A" * 32, "../" + "a" * 29])
def test_a_malformed_workspace_is_refused_and_leaves_nothing(bad: str, tabs: Tabs) -> None:
    train, data = tabs
    values = {control: control.value for control in (*train.form.options.values(), train.form.preset)}
    for press in (
        lambda: train.start(values | {train.workspace: bad}),
        lambda: data.made(bad),
        lambda: data.check.check("digits", bad),
        lambda: train.form.take("photos.zip", bad),
        lambda: train.form.fetched("me/photos", bad),
        lambda: train.form.delete(bad, True),
    ):
        with pytest.raises(gr.Error):
            press()
    assert not train.settings.uploads.exists()
    assert not train.settings.runs.exists()
