"""A class with pupils, their photos and trainings, as folders."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.class_page import class_settings
from tl_engine.base.settings import Settings
from tl_engine.classroom.pupils import name_pupil
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.workspaces.workspace import Workspace

TEACHER = "f" * 32


@pytest.fixture
def room(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation as a class has it."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "handed"))
    return class_settings(dataclasses.replace(settings, uploads=tmp_path / "uploads"))


def photo(seed: int, place: Path) -> Path:
    """A picture that no other seed makes."""
    place.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(place / f"{seed}.png")
    return place / f"{seed}.png"


def with_photos(settings: Settings, token: str, classes: dict[str, range], tmp_path: Path) -> Workspace:
    """A workspace with a data set of these classes, each of these photos."""
    visitor = Workspace(settings, token)
    own = collection.create(visitor.folder, "My photos", tuple(classes))
    for name, seeds in classes.items():
        for seed in seeds:
            own.add(name, photo(seed, tmp_path / "made"), settings.limits)
    return visitor


MakePupil = Callable[..., Workspace]


@pytest.fixture
def pupil(room: Settings, tmp_path: Path) -> MakePupil:
    """A function that makes a pupil with photos, by a letter of their token."""

    def make(letter: str, name: str, **classes: range) -> Workspace:
        visitor = with_photos(room, letter * 32, classes, tmp_path)
        name_pupil(visitor, name)
        return visitor

    return make


@pytest.fixture
def teacher(room: Settings) -> Workspace:
    """The teacher's workspace, which is no pupil's."""
    return Workspace(room, TEACHER)


def waiting_run(visitor: Workspace, name: str) -> Run:
    """A run that waits."""
    config = TrainConfig.from_options({"data": "digits", "epochs": 3})
    return queue.create(config, visitor.settings, name, workspace=visitor.token)
