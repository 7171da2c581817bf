"""What tests of the hub have in common: one training on real photos, and a hub on this machine."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import own_settings
from tests.hub_server import Hub, serving_models
from tests.tiles import tiles
from tl_engine import TrainConfig, train
from tl_engine.base.settings import Settings
from tl_engine.runs.run import Run, find_run


@dataclass(frozen=True)
class Trained:
    """A finished run with its report. Shared: tests copy what they want to change."""

    run: Run
    settings: Settings
    photos: Path

    def copied(self, place: Path) -> Run:
        return Run(Path(shutil.copytree(self.run.folder, place / "copied")))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Temples and flowers, told apart by the head of the default backbone."""
    place = tmp_path_factory.mktemp("shared")
    settings = own_settings(place)
    photos = tiles(place / "private photos")
    list(train(TrainConfig(data=str(photos)), name="secret-token", settings=settings))
    return Trained(find_run("secret-token", settings), settings, photos)


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
