"""A training that goes on, on the page: who may press, what is refused, and how a log of several parts reads."""

import dataclasses
import os
import shutil
from pathlib import Path

import gradio as gr
import pytest

from tests.conftest import MakeImages
from tests.ui.test_page import OTHER, OWNER, a_run, ended, epoch, shown
from tl_engine.base.errors import DataError, EngineError, RunError
from tl_engine.base.events import DataRead, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.runs.run import EVENTS, PROCESS, Run
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates
from ui.train.run_view import EventReader, RunView, view
from ui.train.status import GO_ON_WORDS, status_html
from ui.train.tab import TrainTab

pytestmark = pytest.mark.usefixtures("unserved")

CONFIG = {"architecture": "a", "strategy": "s", "epochs": 3}


@pytest.fixture
def tab(here: Settings) -> TrainTab:
    with gr.Blocks(), gr.Tabs():
        return TrainTab(here, gr.BrowserState(""), EventReader())


def ended_run(settings: Settings, data: Path, state: str = "stopped", name: str = "1" * 32) -> Run:
    """A run of the owner that told two epochs and then that end; interrupted ones tell none."""
    run = a_run(settings, name, data=str(data))
    run.log(RunStarted(run_folder="x", config=CONFIG, process_id=1))
    for number in (1, 2):
        run.log(epoch(number))
    if state == "interrupted":
        os.utime(run.folder / EVENTS, (0, 0))
    else:
        run.log(ended(state))
    assert run.state() == state
    return run


def seen(tab: TrainTab, run: Run, workspace: str) -> Updates:
    return tab.show_run(run.name, workspace)


@pytest.mark.parametrize(
    ("state", "offered"), [("stopped", True), ("failed", True), ("interrupted", True), ("finished", False)]
)
def test_going_on_is_offered_for_what_did_not_finish(
    state: str, offered: bool, tab: TrainTab, here: Settings, make_images: MakeImages
) -> None:
    run = ended_run(here, make_images(), state)
    updates = seen(tab, run, OWNER)
    assert updates[tab.resume].visible is offered
    assert updates[tab.halt].visible is False
    assert (GO_ON_WORDS in updates[tab.status]) is offered
    assert seen(tab, run, OTHER)[tab.resume].visible is False  # a link shows it and does not go on with it


def test_twenty_presses_are_one_run_that_goes_on(
    tab: TrainTab, here: Settings, make_images: MakeImages, no_process: list[list[str]]
) -> None:
    run = ended_run(here, make_images())
    for _ in range(20):
        assert tab.resume_run(run.name, OWNER) == {}
    assert [arguments[:2] for arguments in no_process] == [["resume", str(run.folder)]]
    updates = seen(tab, run, OWNER)
    assert updates[tab.resume].visible is False
    assert updates[tab.halt].visible is True


def test_only_its_owner_goes_on_with_a_run_and_with_one_at_a_time(
    tab: TrainTab, here: Settings, make_images: MakeImages, no_process: list[list[str]]
) -> None:
    first = ended_run(here, make_images())
    second = ended_run(here, make_images("more"), name="2" * 32)
    with pytest.raises(RunError, match="not yours"):
        tab.resume_run(first.name, OTHER)
    with pytest.raises(EngineError, match="nothing to go on with"):
        tab.resume_run("", OWNER)
    tab.resume_run(first.name, OWNER)
    with pytest.raises(RunError, match="still going on: wait for it, or stop it first"):
        tab.resume_run(second.name, OWNER)
    assert len(no_process) == 1


def test_a_run_whose_photos_are_gone_is_refused_before_anything_changes(
    here: Settings, make_images: MakeImages, no_process: list[list[str]]
) -> None:
    folder = make_images()
    run = ended_run(here, folder)
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="are gone, so it cannot go on: train anew on others"):
        start.resume(run.name, Workspace(here, OWNER))
    assert run.state() == "stopped"
    assert no_process == []


def test_a_log_of_two_parts_reads_as_one_run(here: Settings, make_images: MakeImages, idle: int) -> None:
    run = ended_run(here, make_images())
    run.record_process(idle, run.logged_bytes())
    going = view(run, here, EventReader())
    assert (going.state, [e.epoch for e in going.epochs]) == ("running", [1, 2])
    run.log(RunStarted(run_folder="x", config=CONFIG, process_id=1, resumed_from=2))
    assert "going on after epoch 2" in status_html(view(run, here, EventReader()))
    run.log(DataRead(classes=["a"], counts={"a": {"train": 80, "val": 20}}))
    run.log(epoch(3, 0.9))
    run.log(dataclasses.replace(ended("finished"), seconds=130.0))
    (run.folder / PROCESS).unlink()
    done = view(run, here, EventReader())
    assert (done.state, [e.epoch for e in done.epochs]) == ("finished", [1, 2, 3])
    words = status_html(done)
    assert "Finished: 18 of 20 right" in words
    assert "2 min 10 s" in words
    assert GO_ON_WORDS not in words


def test_a_run_that_waits_to_go_on_says_so(here: Settings, make_images: MakeImages) -> None:
    moment: RunView = shown(ended_run(here, make_images()), "queued", epoch(1), ended("stopped"), place=2)
    assert "2 trainings before this one" in status_html(moment)
