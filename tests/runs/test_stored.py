"""What version 0.1.0 left on a disk is read by this one: a run with its classifier, and the classifiers that ship."""

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_engine.base.events import EpochEnd, RunEnded, RunStarted
from tl_engine.base.settings import Settings
from tl_engine.classifiers.predictor import Predictor
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import named_classifier, shipped
from tl_engine.runs.run import Run, find_run
from tl_engine.runs.saved_classifier import read_figures, read_meta

STORED = Path(__file__).resolve().parents[1] / "stored" / "run-0.1.0"
RED = 0.8362342  # what version 0.1.0 said of the picture below


@pytest.fixture
def run(settings: Settings) -> Run:
    shutil.copytree(STORED, settings.runs / "old")
    return find_run("old", settings)


def the_first_red_picture() -> Image.Image:
    pixels = np.asarray((200, 30, 30)) + np.random.default_rng(0).integers(-25, 25, (16, 16, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def test_an_old_run_tells_all_it_told(run: Run) -> None:
    events, _ = run.events()
    assert len(events) == len((run.folder / "events.jsonl").read_text().splitlines())
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert [event.epoch for event in events if isinstance(event, EpochEnd)] == [1, 2, 3]
    assert (run.state(), run.facts.data, run.facts.workspace) == ("finished", "colours", None)


def test_an_old_runs_settings_can_be_trained_with_again(run: Run) -> None:
    known = {field.name for field in fields(TrainConfig)}
    config = TrainConfig.from_options({k: v for k, v in run.facts.options.items() if k in known})
    assert (config.epochs, config.layout) == (3, "auto")


def test_an_old_classifier_predicts_what_it_predicted(run: Run, settings: Settings) -> None:
    folder = named_classifier(run.name, settings)
    assert folder is not None
    assert read_figures(folder) == read_meta(folder).figures
    probabilities = Predictor.load(folder, settings).probabilities(the_first_red_picture())
    assert probabilities["red"] == pytest.approx(RED, abs=2e-3)  # processors differ in the last digits


def test_the_classifiers_that_ship_load(settings: Settings) -> None:
    assert len(shipped(settings)) >= 2
    for name in shipped(settings):
        folder = named_classifier(name, settings)
        assert folder is not None
        assert len(Predictor.load(folder, settings).classes) == 2
