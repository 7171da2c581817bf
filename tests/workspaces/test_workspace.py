"""A visitor and what they chose: one door for the token, one look at who may read what, each visitor for themselves."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeImages
from tl_engine.base.errors import DataError, EngineError
from tl_engine.base.settings import Settings
from tl_engine.data.mends import DROP, Mend
from tl_engine.sources import collection
from tl_engine.workspaces import corrections
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.data_choices import default_choice
from tl_engine.workspaces.workspace import TOKEN, Workspace

OWNER, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with uploads of their own."""
    return dataclasses.replace(settings, uploads=tmp_path / "uploads")


def test_no_workspace_is_made_of_what_is_no_token(here: Settings) -> None:
    with pytest.raises(EngineError, match="reload"):
        Workspace(here, "../" + OWNER)
    with pytest.raises(EngineError, match="reload"):
        Workspace.of(here, "../" + OWNER)
    assert TOKEN.fullmatch(Workspace.of(here, None).token)
    assert not here.uploads.exists()  # to look is to make nothing


def test_a_choice_is_resolved_once_and_what_is_made_of_it_stays_below_the_visitor(
    make_images: MakeImages, here: Settings
) -> None:
    folder = make_images("data/colours")
    visitor = Workspace(here, OWNER)
    chosen = visitor.data("folder:colours")
    assert chosen.data == str(folder)
    assert chosen.mends_file.is_relative_to(visitor.folder)
    assert corrections.frozen(chosen) == chosen.data
    corrections.correct(chosen, [Mend(file="red/1.png", action=DROP)])
    assert Path(corrections.frozen(chosen)).is_relative_to(visitor.folder)


def test_corrections_are_their_visitors_alone(make_images: MakeImages, here: Settings) -> None:
    make_images("data/colours")
    mine, theirs = (Workspace(here, token).data("folder:colours") for token in (OWNER, OTHER))
    corrections.correct(mine, [Mend(file="red/1.png", action=DROP)])
    counts = [sum(data.counts()["red"].values()) for chosen in (mine, theirs) if (data := chosen.described())]
    assert counts == [5, 6]
    corrections.undo(mine)
    assert not mine.mends_file.exists()


@pytest.mark.parametrize("choice", ["upload:gone", "folder:..", "folder:../x", "", None, "/etc"])
def test_what_is_not_offered_is_not_found(choice: str | None, here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    assert visitor.find(choice) is None
    assert visitor.present(choice) == default_choice(here)
    with pytest.raises(DataError, match="There is no data set"):
        visitor.data(choice)


def test_what_somebody_collects_is_a_collection_for_them_alone(here: Settings) -> None:
    own = collection.create(here.uploads / OWNER, "Pets")
    choice = UPLOAD + own.folder.name
    assert ("Yours: Pets", choice) in Workspace(here, OWNER).choices()
    assert Workspace(here, OWNER).data(choice).collection == own
    assert Workspace(here, OTHER).find(choice) is None
    assert Workspace(here, OWNER).data("digits").collection is None


@pytest.mark.parametrize("choice", [7, ["digits"], {"path": "digits"}, True])
def test_a_choice_that_is_no_text_is_refused_in_a_sentence(choice: Any, here: Settings) -> None:
    with pytest.raises(DataError):
        Workspace.of(here, OWNER).data(choice)
