"""The public Python interface: what a notebook calls gives what page and terminal give."""

import subprocess
import sys
from pathlib import Path

import pytest

import tl_engine
from tests.conftest import MakeImages
from tl_engine import Predictor, TrainConfig, find, inspect, load_data, train
from tl_engine.base.errors import DataError, RunError
from tl_engine.base.events import EpochEnd, RunEnded, RunStarted
from tl_engine.base.settings import PROJECT, Settings
from tl_engine.inspection.findings import Report
from tl_engine.runs.run import find_run, list_runs


def test_a_training_from_python_is_a_run_like_any_other(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    events = list(train(TrainConfig(data=str(folder), epochs=3), name="mine", settings=settings))
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert events[-1].state == "finished"
    run = find_run("mine", settings)
    assert (run.state(), run.events()[0]) == ("finished", events)
    predictor = Predictor.load(find("mine", settings=settings), settings)
    photo = next(folder.rglob("red/*.png"))
    probabilities = predictor.probabilities(predictor.open(photo))
    assert set(probabilities) == {"red", "blue"}
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_leaving_the_events_early_keeps_the_best_so_far(make_images: MakeImages, settings: Settings) -> None:
    events = train(TrainConfig(data=str(make_images()), epochs=50), name="short", settings=settings)
    next(event for event in events if isinstance(event, EpochEnd))
    events.close()  # type: ignore[attr-defined]
    assert find("short", settings=settings).name == "best"


def test_what_cannot_be_trained_on_is_refused_at_once_and_leaves_no_run(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        train(TrainConfig(data=str(tmp_path / "nowhere")), settings=settings)
    assert list_runs(settings) == []


def test_data_is_loaded_and_inspected_by_name(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    data = load_data(folder, settings=settings)
    assert (data.classes, len(data.records)) == (("blue", "red"), 12)
    report = inspect(folder, settings=settings)
    assert isinstance(report, Report)
    assert {name: sum(splits.values()) for name, splits in report.classes.items()} == {"blue": 6, "red": 6}


def test_a_classifier_that_ships_is_found_and_predicts(settings: Settings) -> None:
    assert Predictor.load(find("cats-or-dogs", settings=settings)).classes == ("cats", "dogs")
    for name in ("imagenet", "nobody's"):
        with pytest.raises(RunError):
            find(name, settings=settings)


def test_only_the_predictor_brings_torch_along() -> None:
    names = [name for name in tl_engine.__all__ if name != "Predictor"]
    code = f"import sys; from tl_engine import {', '.join(names)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "False"
    assert set(tl_engine.__all__) <= set(dir(tl_engine))
    with pytest.raises(AttributeError):
        _ = tl_engine.nothing
