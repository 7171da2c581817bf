"""The Report tab without a browser: whose photos are shown, what is said while there is no report yet."""

import json
from pathlib import Path

import gradio as gr
import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import RunError
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.data.scan import scan
from tl_engine.evaluation.report import make_report
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.training.trainer import Training, train
from tl_engine.workspaces.workspace import Workspace
from ui.predict.own_photos import own_photos
from ui.predict.verdict import verdict_html
from ui.report.tab import MAKING, ReportTab
from ui.train.run_view import EventReader

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, FRIEND = "a" * 32, "b" * 32


@pytest.fixture
def run(settings: Settings, make_images: MakeImages) -> Run:
    """A run of somebody, ended, without its report."""
    folder = make_images(each=8)
    config = TrainConfig(data=str(folder), epochs=5)
    made = queue.create(config, settings, "c" * 32, workspace=OWNER, title="Mine")
    training = Training(config=config, data=scan(folder, settings.limits), folder=made.folder, settings=settings)
    for event in train(training):
        made.log(event)
    return made


@pytest.fixture
def tab(settings: Settings) -> ReportTab:
    with gr.Blocks():
        return ReportTab(settings, gr.BrowserState(""), EventReader(), None)


@pytest.mark.slow
def test_a_report_that_is_being_made_is_waited_for_and_then_drawn(run: Run, tab: ReportTab, settings: Settings) -> None:
    waiting = tab.show_report(run.name, OWNER)
    assert waiting[tab.words] == MAKING
    assert waiting[tab.timer].active
    assert not waiting[tab.body].visible
    watched(make_report(run, settings), lambda _event: None)
    drawn = tab.follow_report(run.name, OWNER, waiting[tab.seen])
    assert "Mine" in drawn[tab.words]
    assert not drawn[tab.timer].active
    again = tab.follow_report(run.name, OWNER, drawn[tab.seen])
    assert set(again) == {tab.seen}  # nothing new, nothing sent


@pytest.mark.slow
def test_who_has_a_link_sees_figures_and_no_photo(run: Run, tab: ReportTab, settings: Settings) -> None:
    watched(make_report(run, settings), lambda _event: None)
    own, linked = (tab.show_report(run.name, token) for token in (OWNER, FRIEND))
    assert "data:image/jpeg" in own[tab.more]
    assert "Some of the photos" in linked[tab.more]
    assert "data:image/jpeg" not in json.dumps([linked[tab.words], linked[tab.more]])
    with pytest.raises(RunError, match="not yours"):
        tab.photos.items(run.name, FRIEND, "0,0")
    assert len(tab.photos.items(run.name, OWNER, "0,0")) > 0
    assert own_photos(Workspace(settings, FRIEND), run.name, settings) == []
    assert len(own_photos(Workspace(settings, OWNER), run.name, settings)) == 6


@pytest.mark.slow
def test_the_nearest_photos_are_shown_to_their_owner_only(run: Run, settings: Settings) -> None:
    watched(make_report(run, settings), lambda _event: None)
    predictor = Predictor.load(run.best, settings)
    answer = predictor.answer(predictor.open(Path(run.facts.data) / "red" / "0.png"))
    own, linked = (verdict_html(answer, run.name, Workspace(settings, token)) for token in (OWNER, FRIEND))
    assert own.count("data:image/jpeg") == 5
    assert "data:image" not in linked
    assert linked.count("<li>") == 5  # of which class they are is told


def test_a_sent_cell_that_is_none_is_refused(run: Run, tab: ReportTab) -> None:
    for sent in ({"cell": "9,9"}, {"cell": ["0"]}, [], None, {}):
        with pytest.raises(RunError):
            tab.photos.open_cell(run.name, OWNER, gr.EventData(None, sent))
