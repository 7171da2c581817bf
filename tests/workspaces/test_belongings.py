"""All that is a visitor's, with sizes, and nothing that is not."""

from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.sources import collection
from tl_engine.workspaces.workspace import DATA, RUN, Workspace, things

OWNER, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    import dataclasses

    return dataclasses.replace(settings, uploads=tmp_path / "uploads")


def test_data_sets_and_runs_are_listed_with_their_bytes(here: Settings, make_images: MakeImages) -> None:
    own = collection.create(here.uploads / OWNER, "Pets", ("cats",))
    (own.folder / "cats" / "a.png").write_bytes(b"x" * 1000)
    make_images("in").rename(here.uploads / OWNER / f"holiday-{'0' * 16}")
    queue.create(TrainConfig(data="digits"), here, "1" * 32, workspace=OWNER, title="Pets")
    queue.create(TrainConfig(data="digits"), here, "2" * 32, workspace=OTHER)
    queue.create(TrainConfig(data="digits"), here, "host")
    found = things(Workspace(here, OWNER))
    assert sorted((thing.kind, thing.title) for thing in found) == [(DATA, "Pets"), (DATA, "holiday"), (RUN, "Pets")]
    pets = next(thing for thing in found if thing.title == "Pets")
    assert (pets.detail, pets.bytes >= 1000) == ("1 photo", True)
    assert all(thing.bytes > 0 for thing in found)
    assert [thing.key for thing in found if thing.kind == RUN] == ["1" * 32]
    assert [thing.kind for thing in things(Workspace(here, OTHER))] == [RUN]


def test_what_another_tab_deletes_meanwhile_is_left_out(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = collection.create(here.uploads / OWNER, "Gone")
    listed = Workspace.own_data

    def slowly(visitor: Workspace) -> list[str]:
        found = listed(visitor)
        gone.delete()
        return found

    monkeypatch.setattr(Workspace, "own_data", slowly)
    assert things(Workspace(here, OWNER)) == []


def test_a_data_set_that_cannot_be_learnt_from_is_listed_too(here: Settings) -> None:
    (here.uploads / OWNER / "odd-photos").mkdir(parents=True)
    (thing,) = things(Workspace(here, OWNER))
    assert (thing.kind, thing.bytes) == (DATA, 0)
