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
from ui.page import Page, build_page
from ui.waking import PRESSES

pytestmark = pytest.mark.usefixtures("unserved")

NONE_YET = pytest.mark.parametrize("none", ["", None])


@pytest.fixture
def page(here: Settings) -> Page:
    return Page(here, ClassifierPool(here), None)


def parts_by_id(page: gr.Blocks) -> dict[int, dict[str, Any]]:
    return {part["id"]: part["props"] for part in page.get_config_file()["components"]}


def test_whatever_needs_a_workspace_sleeps_until_the_page_has_one(here: Settings) -> None:
    page = build_page(here, ClassifierPool(here))
    parts = parts_by_id(page)
    restore = next(function for function in page.fns.values() if function.name == "restore")
    assert restore.fn is not None
    values = restore.fn("", {}, SimpleNamespace(query_params={}))
    woken = {part._id for part, value in values.items() if isinstance(value, dict) and value.get("interactive")}
    pressed = {
        key
        for function in page.fns.values()
        if any(isinstance(part, gr.BrowserState) for part in function.inputs)
        for key, event in function.targets
        if event in PRESSES
    }
    assert {"go", "photos-train", "door-own", "fetch", "hub", "check", "delete-all"} <= {
        parts[key].get("elem_id") for key in woken
    }
    assert {parts[key].get("elem_id") for key in pressed if parts[key].get("interactive") is not False} == {
        "report-matrix",  # no buttons: they are empty until there is something to draw
        "runs-list",
    }
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


def pressed(page: Page, **more: Any) -> dict[Any, Any]:
    """What the form sends, with a data set that is there."""
    form = page.train.form
    values = {control: control.value for control in (*form.options.values(), form.preset)}  # type: ignore[attr-defined]
    values |= {page.photos.choice: "colours", form.epochs: 9999, page.workspace: ""}
    return values | {getattr(page, name): value for name, value in more.items()}


def test_train_without_a_workspace_makes_one_and_hands_it_to_the_page(page: Page, make_images: MakeImages) -> None:
    make_images("data/colours")
    train = page.train
    shown = train.start_training(pressed(page))
    run, owner = find_run(shown[train.run], train.settings), shown[page.workspace]
    assert run.facts.workspace == owner
    again = train.start_training(pressed(page, workspace=owner))
    assert again[train.run] == run.name  # the same, not a second one
    assert again[train.said]


@NONE_YET
def test_a_new_data_set_without_a_workspace_is_its_visitors(none: Any, page: Page) -> None:
    owner = page.photos.doors.create_collection(none)[page.workspace]
    (choice,) = [v for label, v in Workspace(page.settings, owner).choices() if label == "Yours: My photos"]
    assert page.photos.cards.opened(choice, owner).classes() == ["Class 1", "Class 2"]


def test_a_zip_without_a_workspace_is_its_visitors(page: Page, make_images: MakeImages, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "holiday"), "zip", make_images("in"))
    shown = page.photos.doors.take_upload(archive, "", gr.Progress())
    visitor = Workspace(page.settings, shown[page.workspace])
    assert ("Yours: holiday", shown[page.photos.choice].value) in visitor.choices()


@NONE_YET
def test_looking_around_without_a_workspace_shows_what_everybody_sees(none: Any, page: Page) -> None:
    assert page.photos.list_data(none)
    assert page.photos.look.show_photos("digits", none)
    assert "10 classes" in page.photos.show_data("digits", none)[page.photos.summary.words]
    assert set(page.train.show_run(None, none)) <= set(page.train.shown)
    assert page.runs.list_runs(none, "")


@pytest.mark.parametrize("bad", ["..", "A" * 32, "../" + "a" * 29])
def test_a_malformed_workspace_is_refused_and_leaves_nothing(bad: str, page: Page) -> None:
    for press in (
        lambda: page.train.start_training(pressed(page, workspace=bad)),
        lambda: page.photos.doors.create_collection(bad),
        lambda: page.photos.check.check_data("digits", bad),
        lambda: page.photos.doors.take_upload("photos.zip", bad),
        lambda: page.photos.doors.fetch_from_hub("me/photos", bad),
        lambda: page.photos.things.delete_all(bad, True, None),
    ):
        with pytest.raises(EngineError):
            press()
    assert not page.settings.uploads.exists()
    assert not page.settings.runs.exists()
