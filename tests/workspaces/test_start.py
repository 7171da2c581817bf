"""What a shared page refuses before anything starts, and what it gives: epochs, minutes, for programs and labs too."""

import dataclasses
import os
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import SHARED, Limits, Settings
from tl_engine.runs import queue
from tl_engine.workspaces import start
from tl_engine.workspaces.workspace import Workspace


@pytest.fixture
def visitor(make_images: MakeImages, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """On a shared page that offers one folder, whose trainings nobody begins."""
    make_images("data/colours")
    monkeypatch.setattr(queue, "launch", lambda *_: os.getpid())
    return Workspace(dataclasses.replace(settings, limits=SHARED), "a" * 32)


def folders(settings: Settings) -> list[Path]:
    return [path for path in settings.runs.glob("*") if not path.name.startswith(".")]


@pytest.mark.parametrize("epochs", [31, "45", 10_000])
def test_more_epochs_are_refused_before_anything_starts(epochs: object, visitor: Workspace) -> None:
    with pytest.raises(ConfigError, match="epochs must lie between 1 and 30 on this page, got"):
        start.start({"data": "colours", "strategy": "fine-tuning", "epochs": epochs}, visitor)
    assert folders(visitor.settings) == []


def test_a_default_that_nobody_asked_for_is_cut_to_what_is_given(visitor: Workspace) -> None:
    config = start.checked_config({"data": "colours", "learning-rate": 0.01}, visitor)
    assert (config.optimizer, config.epochs) == ("adamw", 30)
    assert start.checked_config({"data": "colours"}, visitor).epochs == 50  # steps of a solved head


def test_a_run_knows_its_minutes_and_photos(visitor: Workspace) -> None:
    run, _ = start.start({"data": "colours"}, visitor)
    assert (run.facts.options["minutes"], run.facts.options["photos"]) == (10, 12)


def test_a_lab_is_within_the_limits_too(visitor: Workspace) -> None:
    runs = start.start_lab("colours", "efficientnet_lite0", visitor)
    assert len(runs) == 3
    assert {run.facts.options["minutes"] for run in runs} == {10}
    few = dataclasses.replace(visitor.settings, limits=Limits(epochs=5))
    configs, left_out = start.lab_configs("colours", "efficientnet_lite0", Workspace(few, "b" * 32))
    assert [config.epochs for config in configs if config.optimizer != "lbfgs"] == [5, 5]
    assert left_out == []
