"""Whoever asks whether a run has a classifier is told the same, also when its process died in the middle of saving."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from tl_engine.base.errors import RunError
from tl_engine.base.events import EpochEnd, RunEnded
from tl_engine.base.settings import Settings
from tl_engine.classifiers import saved
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import classifier_folder, classifier_of, named_classifier, shipped
from tl_engine.runs.meta import META, BackboneMeta, Figures, Meta
from tl_engine.runs.run import PROCESS, Run
from tl_engine.runs.saved_classifier import TENSORS, saved_folder
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import Workspace
from ui.predict.classifiers import choices
from ui.train.run_view import EventReader, view
from ui.train.status import status_html

OWNER = "a" * 32


def living(settings: Settings, name: str = "one") -> Run:
    """A run whose process is this one, told up to epoch 2, saved up to epoch 3, with a leftover on each side."""
    config = TrainConfig.from_options({"data": "digits", "epochs": 9})
    run = queue.create(config, settings, name, workspace=OWNER, process=os.getpid())
    run.log(EpochEnd(epoch=2, epochs=9, phase="head", train_loss=0.7, train_accuracy=0.5, val_loss=0.7,
                     val_accuracy=0.5, learning_rate=0.1, best=True, seconds=1.0))  # fmt: skip
    meta = Meta(
        architecture="small_vgg", backbone=BackboneMeta(weights="none", hash=None), learned="head", classes=("a", "b"),
        preprocessing={}, figures=Figures(epoch=3, val_accuracy=0.75, val_loss=0.5),
    )  # fmt: skip
    saved.save(run.best, {"head.weight": torch.zeros(2, 3)}, meta)
    for suffix in ("new", "old"):
        shutil.copytree(run.best, run.folder / f".best.{suffix}")
    return run


def killed(run: Run) -> Run:
    """The same as its process leaves it that dies between the two renames."""
    shutil.rmtree(run.best)
    facts = {"pid": os.getpid(), "created": psutil.Process().create_time() - 100}
    (run.folder / PROCESS).write_text(json.dumps(facts))
    assert run.state() == "interrupted"
    return run


@pytest.mark.parametrize(
    "ask",
    [
        lambda run, _settings: classifier_of(run),
        lambda run, settings: named_classifier(run.name, settings),
        lambda run, settings: classifier_folder(run.name, settings),
        lambda run, settings: classifier_folder(str(run.folder), settings),
        lambda run, settings: [
            named_classifier(name, settings) for _, name in choices(Workspace(settings, OWNER)) if name == run.name
        ],
        lambda run, _settings: start.packed(run),
    ],
    ids=["engine", "page", "terminal, by name", "terminal, by folder", "the list of Predict", "download"],
)
def test_a_run_killed_between_the_renames_has_its_classifier_everywhere(
    settings: Settings, ask: Callable[[Run, Settings], object]
) -> None:
    run = killed(living(settings))
    assert ask(run, settings)
    assert saved_folder(run.best) == run.best
    assert not list(run.folder.glob(".best.*"))


def test_the_download_holds_both_files(settings: Settings) -> None:
    archive = start.packed(killed(living(settings)))
    assert archive is not None
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == [META, TENSORS]


def test_the_page_names_the_epoch_that_is_there_not_the_last_one_told(settings: Settings) -> None:
    shown = view(killed(living(settings)), settings, EventReader())
    assert shown.best == Figures(epoch=3, val_accuracy=0.75, val_loss=0.5)
    assert "What epoch 3 had learned is kept (75.0 %)" in status_html(shown)


def test_so_does_the_page_of_a_stopped_run(settings: Settings) -> None:
    run = killed(living(settings))
    run.log(RunEnded(state="stopped", reason="", run_folder="", best_val_accuracy=0.5, best_epoch=2, seconds=1.0))
    assert "best epoch, 3 of 9" in status_html(view(run, settings, EventReader()))


def test_nothing_is_swept_from_under_a_living_training(settings: Settings) -> None:
    run = living(settings)
    assert classifier_of(run) == run.best
    assert len(list(run.folder.glob(".best.*"))) == 2


def test_an_empty_folder_of_that_name_is_no_classifier(settings: Settings, tmp_path: Path) -> None:
    run = living(settings)
    for place in (run.best, run.folder / ".best.old"):
        (place / TENSORS).unlink()
    assert classifier_of(run) is None
    assert start.packed(run) is None
    assert run.name not in [name for _, name in choices(Workspace(settings, OWNER))]
    (tmp_path / "empty").mkdir()
    for name in (run.name, str(run.folder), str(tmp_path / "empty")):
        with pytest.raises(RunError, match="holds no classifier"):
            classifier_folder(name, settings)


def test_what_ships_is_whole(settings: Settings) -> None:
    assert all(saved_folder(settings.demo / name) for name in shipped(settings))
