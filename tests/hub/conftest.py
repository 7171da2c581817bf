"""What tests of the hub have in common: one training on real photos, and a hub on this machine."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import own_settings
from tests.hub_server import Hub, serving_models
from tests.made_once import made_once
from tests.tiles import tiles
from tl_engine import TrainConfig, train
from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run, find_run

NAME = "secret-token"


@dataclass(frozen=True)
class Trained:
    """A finished run with its report. Shared: tests copy what they want to change."""

    place: Path
    photos: Path

    @property
    def settings(self) -> Settings:
        return own_settings(self.place)

    @property
    def run(self) -> Run:
        return find_run(NAME, self.settings)

    def copied(self, place: Path) -> Run:
        return Run(Path(shutil.copytree(self.run.folder, place / "copied")))


def make_trained(place: Path) -> Path:
    """Temples and flowers, told apart by the head of the default backbone."""
    photos = tiles(place / "private photos")
    list(train(TrainConfig(data=str(photos)), name=NAME, settings=own_settings(place)))
    return photos


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The one run that all these tests look at."""
    return Trained(*made_once(tmp_path_factory, "trained", make_trained))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that this process asks instead of the real one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving_models() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


def one_sentence(refusal: BaseException) -> str:
    """The text of a refusal, which is one sentence, with nothing else of it, and no token."""
    text = str(refusal)
    assert text.endswith(".")
    assert ". " not in text
    assert "hf_" not in text
    assert refusal.__cause__ is None
    return text
