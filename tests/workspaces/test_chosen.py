"""What a chosen data set is called, what a training on it is called, and when nothing can be learnt from it."""

import dataclasses
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import DataError
from tl_engine.base.settings import Settings
from tl_engine.data.mends import DROP, Mend
from tl_engine.runs import queue
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.workspaces import corrections, start
from tl_engine.workspaces.chosen import FOLDER, UPLOAD
from tl_engine.workspaces.workspace import Workspace

OWNER = "a" * 32


@pytest.fixture
def visitor(settings: Settings, tmp_path: Path) -> Workspace:
    return Workspace(dataclasses.replace(settings, uploads=tmp_path / "uploads"), OWNER)


def test_a_data_set_is_called_what_people_call_it(visitor: Workspace) -> None:
    own = collection.create(visitor.folder, "My pets")
    (visitor.folder / f"holiday-{'0' * 16}").mkdir()
    for name in ("photos", "hf--owner--name"):
        (visitor.settings.data_dir / name).mkdir(parents=True)
    called = {
        UPLOAD + own.folder.name: "My pets",
        f"{UPLOAD}holiday-{'0' * 16}": "holiday",
        f"{FOLDER}photos": "photos",
        f"{FOLDER}hf--owner--name": "owner/name",
    }
    assert {choice: visitor.data(choice).title for choice in called} == called
    assert "(" not in visitor.data("digits").title


def test_a_training_is_called_after_its_data_and_how_much_of_it_was_corrected(
    visitor: Workspace, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.settings.data_dir.mkdir(parents=True)
    make_images("in").rename(visitor.settings.data_dir / "colours")
    chosen = visitor.data(f"{FOLDER}colours")
    assert chosen.run_title == "colours"
    corrections.correct(chosen, [Mend(file=f"red/{index}.png", action=DROP) for index in (0, 1)])
    assert chosen.run_title == "colours, 2 corrections"
    monkeypatch.setattr(queue, "advance", lambda *_: False)
    run, new = start.start({"data": f"{FOLDER}colours", "strategy": "from-scratch"}, visitor)
    assert new
    assert Run(run.folder).facts.title == "colours, 2 corrections"


@pytest.mark.parametrize("photos", [{}, {"a": 3}, {"a": 0, "b": 3}, {"a": 3, "b": 1}])
def test_too_little_to_learn_from_is_refused_by_the_name_of_what_lacks(
    photos: dict[str, int], visitor: Workspace
) -> None:
    own = collection.create(visitor.folder, "My pets", tuple(photos))
    for name, number in photos.items():
        for index in range(number):
            (own.folder / name / f"{index}.png").write_bytes(b"not looked at")
    chosen = visitor.data(UPLOAD + own.folder.name)
    with pytest.raises(DataError) as refused:
        chosen.described()
    lacking = [name for name, number in photos.items() if number < 2]
    assert ("My pets" if len(photos) < 2 else lacking[0]) in str(refused.value)
    with pytest.raises(DataError, match="Photos"):
        start.checked_config({"data": chosen.choice}, visitor)
