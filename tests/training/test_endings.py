"""Every ending of a training has its cause in words, and what was saved before it stays usable."""

import dataclasses
import errno
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeImages, own_settings
from tests.training.test_resume import SCRATCH, curve, logged
from tests.training.test_trainer import ended, epochs, make_training
from tl_engine.__main__ import main
from tl_engine.base.events import EpochEnd, Note, Progress, RunEnded
from tl_engine.base.settings import Settings
from tl_engine.classifiers.classifier import Classifier
from tl_engine.classifiers.predictor import Predictor
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import CONFIG, Run, list_runs
from tl_engine.training.endings import DISK
from tl_engine.training.trainer import train
from tl_engine.vitals.farewell import FROM_OUTSIDE
from tl_engine.vitals.limits import time_up

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left (os error 28)")]
)
def test_a_disk_that_fills_up_while_saving_is_said_and_the_earlier_best_loads(
    error: Exception, make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = Classifier.save, []

    def full(self: Classifier, *arguments: Any) -> None:
        if saved:
            raise error
        saved.append(save(self, *arguments))

    monkeypatch.setattr(Classifier, "save", full)
    monkeypatch.setattr("tl_engine.training.epochs.Best.improved_by", lambda *_: True)
    folder = make_images(each=8, side=64)
    events = list(train(make_training(folder, settings, **SCRATCH)))
    assert (ended(events).state, ended(events).reason) == ("failed", DISK)
    monkeypatch.undo()
    assert Predictor.load(settings.runs / "run" / "best", settings).classes == ("blue", "red")


def test_a_loss_that_is_no_number_ends_it_within_an_epoch_and_the_earlier_best_stays(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(make_images(each=8, side=64), settings, **SCRATCH)
    best, told, kept = training.folder / "best" / "model.safetensors", [], b""
    for event in train(training):
        told.append(event)
        if isinstance(event, EpochEnd) and event.epoch == 1:
            kept = best.read_bytes()
            monkeypatch.setattr("tl_engine.training.epochs.classification_loss", lambda out, *_: out.sum() * math.nan)
    assert (ended(told).state, ended(told).best_epoch) == ("failed", 1)
    assert "diverged in epoch 2" in ended(told).reason
    assert len(epochs(told)) == 1
    assert kept
    assert best.read_bytes() == kept
    assert Predictor.load(best.parent, settings).classes == ("blue", "red")


def test_who_ended_it_from_outside_is_not_who_pressed_stop(make_images: MakeImages, settings: Settings) -> None:
    training = make_training(make_images(), settings, stop_after=1)
    events = list(train(dataclasses.replace(training, stop_reason=lambda: FROM_OUTSIDE)))
    assert (ended(events).state, ended(events).reason) == ("stopped", FROM_OUTSIDE)


def test_a_sleep_of_the_computer_is_noted_and_put_before_what_went_wrong_after_it(
    make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(make_images(each=8, side=64), settings, **SCRATCH)
    pulse = training.pulse
    told = []
    for event in train(training):
        told.append(event)
        if isinstance(event, EpochEnd) and event.epoch == 1:
            pulse._wall_at -= 3600  # as if the wall clock had gone on an hour further
            pulse._touched = None
        elif isinstance(event, EpochEnd):
            monkeypatch.setattr("tl_engine.training.epochs.classification_loss", _lost)
    assert any(isinstance(e, Note) and e.message.startswith("The computer slept for 1 h") for e in told)
    assert ended(told).reason.startswith("The computer had slept for 1 h, and then: Unexpected RuntimeError")


def _lost(*_: Any) -> None:
    raise RuntimeError("CUDA error: unspecified launch failure")


@pytest.mark.slow
def test_the_minutes_of_a_page_end_a_run_with_the_best_so_far(make_images: MakeImages, settings: Settings) -> None:
    config = TrainConfig(data=str(make_images()), epochs=10_000)
    run = queue.create(config, settings, "one")
    facts = json.loads((run.folder / CONFIG).read_text()) | {"minutes": 0.2}
    (run.folder / CONFIG).write_text(json.dumps(facts))
    arguments = ["train", "--config", str(run.folder / CONFIG), "--runs", str(settings.runs), "--name", "one", "--json"]
    main([*arguments, "--cache-dir", str(settings.cache)])
    last = run.ended()
    assert last is not None
    assert (last.state, last.reason) == ("stopped", time_up(0.2))
    assert Predictor.load(run.best, settings).classes == ("blue", "red")


@pytest.mark.slow
def test_two_people_with_the_same_class_names_get_what_each_would_get_alone(
    make_images: MakeImages, tmp_path: Path
) -> None:
    """One installation for both, with one cache, beside an installation for each."""
    folders = [make_images("one", each=5), make_images("two", classes=("red", "blue"), each=7)]
    together = own_settings(tmp_path / "together")
    for number, folder in enumerate(folders):
        alone = make_training(folder, own_settings(tmp_path / f"alone{number}"), optimizer="adamw")
        beside = dataclasses.replace(make_training(folder, together, optimizer="adamw"),
                                     folder=together.runs / f"run{number}")  # fmt: skip
        logged(alone)
        logged(beside)
        assert curve(alone.run) == curve(beside.run)


@pytest.fixture
def clean(settings: Settings) -> Iterator[Settings]:
    yield settings
    for run in list_runs(settings):
        if process := run.process():
            process.kill()


def decoding(run: Run) -> bool:
    return any(isinstance(event, Progress) for event in run.events()[0])


def learning(run: Run) -> bool:
    return len(epochs(run.events()[0])) >= 2


def saving(run: Run) -> bool:
    """In the middle of a save: the next classifier lies half written beside the best."""
    return (run.folder / ".best.new").exists()


LOADED = 2.0  # seconds that another test on the same cores may take from one


@pytest.mark.slow
def test_a_trainer_that_is_terminated_has_saved_and_is_gone_within_ten_seconds(
    make_images: MakeImages, clean: Settings
) -> None:
    options = {"epochs": 10_000, "architecture": "small_vgg", "strategy": "from-scratch", "learning_rate": 1e-5}
    run = queue.start(TrainConfig(data=str(make_images(each=8, side=64)), **options), clean, "one")  # type: ignore[arg-type]
    end = time.monotonic() + 120
    while not learning(run):
        assert time.monotonic() < end
        time.sleep(0.02)
    process = run.process()
    assert process is not None
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    last = run.ended()
    assert last is not None
    assert (last.state, last.reason) == ("stopped", FROM_OUTSIDE)
    assert Predictor.load(run.best, clean).classes == ("blue", "red")


@pytest.mark.slow
@pytest.mark.parametrize("when", [decoding, learning, saving])
def test_a_stop_is_done_within_seconds_whatever_it_is_doing(
    when: Callable[[Run], bool], make_images: MakeImages, clean: Settings
) -> None:
    options = {"epochs": 10_000, "architecture": "small_vgg", "strategy": "from-scratch", "learning_rate": 1e-5}
    folder = make_images(each=200 if when is decoding else 8, side=400 if when is decoding else 64)
    run = queue.start(TrainConfig(data=str(folder), **options), clean, "one")  # type: ignore[arg-type]
    end = time.monotonic() + 120
    while not when(run):
        assert time.monotonic() < end
        assert run.state() == "running"
        time.sleep(0.001 if when is saving else 0.02)
    began = time.monotonic()
    queue.stop(run, clean)
    assert time.monotonic() - began < 3 + LOADED
    assert run.state() == "stopped"
    assert run.process() is None
    assert isinstance(run.events()[0][-1], RunEnded)
    if when is not decoding:
        assert Predictor.load(run.best, clean).classes == ("blue", "red")
