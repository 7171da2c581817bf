"""Where a visitor goes on: what they had, what their link opens, and nothing that is not theirs."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeImages
from tests.ui.test_page import OTHER, OWNER, a_run
from tl_engine.base.settings import SHARED, Settings
from tl_engine.runs.find import IMAGENET
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.visits import seen
from tl_engine.visits.disk import disk_name, name_disk
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace
from ui.landing import landing


def finished(settings: Settings, name: str, workspace: str | None, demo: Path) -> Run:
    """A run with a classifier."""
    run = a_run(settings, name, workspace)
    (run.folder / "events.jsonl").write_text(
        '{"kind": "run_ended", "state": "finished", "reason": "", "run_folder": "x", "best_val_accuracy": 1.0, '
        '"best_epoch": 1, "seconds": 1.0, "at": 1.0}\n'
    )
    run.best.mkdir()
    for file in demo.iterdir():
        (run.best / file.name).write_bytes(file.read_bytes())
    return run


@pytest.fixture
def demo(here: Settings) -> Path:
    return here.demo / "cats-or-dogs"


def test_who_has_nothing_stands_before_the_doors(here: Settings) -> None:
    found = landing(Workspace(here, OWNER), {}, None)
    assert (found.tab, found.run, found.classifier, found.refusal) == ("photos", "", IMAGENET, "")


def test_who_has_photos_goes_on_with_them_and_who_has_a_classifier_tries_it(here: Settings, demo: Path) -> None:
    visitor = Workspace(here, OWNER)
    own = collection.create(visitor.folder, "My photos", ("a", "b"))
    found = landing(visitor, {}, None)
    assert (found.tab, found.data) == ("photos", UPLOAD + own.folder.name)
    run = finished(here, "1" * 32, OWNER, demo)
    found = landing(visitor, {}, None)
    assert (found.tab, found.run, found.classifier) == ("predict", run.name, run.name)


def test_a_training_that_goes_on_is_followed(here: Settings, demo: Path) -> None:
    finished(here, "1" * 32, OWNER, demo)
    going = a_run(here, "2" * 32)
    found = landing(Workspace(here, OWNER), {"run": "1" * 32}, None)
    assert (found.tab, found.run) == ("train", going.name)


def test_what_was_current_stays_current_while_it_is_there(here: Settings, demo: Path, make_images: MakeImages) -> None:
    make_images("data/colours")
    for name in ("1" * 32, "2" * 32):
        finished(here, name, OWNER, demo)
    kept = {"data": "folder:colours", "run": "1" * 32, "classifier": "cats-or-dogs"}
    found = landing(Workspace(here, OWNER), kept, None)
    assert (found.data, found.run, found.classifier) == ("folder:colours", "1" * 32, "cats-or-dogs")
    gone = {"data": "folder:gone", "run": "9" * 32, "classifier": "9" * 32}
    found = landing(Workspace(here, OWNER), gone, None)
    assert (found.run, found.classifier) == ("2" * 32, IMAGENET)


@pytest.mark.parametrize("kept", [None, "", [], 7, {"data": 7, "run": ["x"], "classifier": {}}, {"run": "../x"}])
def test_whatever_else_a_browser_kept_counts_as_nothing(kept: Any, here: Settings) -> None:
    found = landing(Workspace(here, OWNER), kept, None)
    assert (found.tab, found.run, found.classifier) == ("photos", "", IMAGENET)


def test_a_link_opens_its_classifier_for_anybody_and_a_dead_one_says_so(here: Settings, demo: Path) -> None:
    run = finished(here, "1" * 32, OTHER, demo)
    found = landing(Workspace(here, OWNER), {"classifier": "ants-or-bees"}, run.name)
    assert (found.tab, found.run, found.classifier) == ("predict", run.name, run.name)
    for asked in ("9" * 32, "../x", "x" * 500):
        found = landing(Workspace(here, OWNER), {}, asked)
        assert found.refusal
        assert found.tab == "photos"


# --- what the browser remembers is not here ---------------------------------------------------------------------------

MINE = {"data": "upload:own-0123456789abcdef", "run": "9" * 32, "classifier": "9" * 32}


def test_work_that_a_server_lost_is_told_with_its_reason_and_no_ghost_is_left(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_disk(here)
    for kept in (MINE, MINE | {"data": "digits"}, MINE | {"run": ""}):
        found = landing(Workspace(here, OWNER), kept | {"disk": "another"}, None)
        assert found.told.startswith("What you had here is gone: the server was started anew")
        assert "bring your photos again" in found.told
        assert (found.tab, found.run, found.data, found.classifier) == ("photos", "", "digits", IMAGENET)
    monkeypatch.setenv("SPACE_ID", "me/space")
    told = landing(Workspace(here, OWNER), MINE | {"disk": "another"}, None).told
    assert "this Space was restarted, and it has no storage that stays" in told


def test_what_was_deleted_by_ones_own_hand_or_never_there_is_not_told(here: Settings, demo: Path) -> None:
    name_disk(here)
    for kept in (MINE | {"disk": disk_name(here)}, MINE, {}, {"data": "digits", "disk": "another"}):
        assert landing(Workspace(here, OWNER), kept, None).told == ""
    own = collection.create(here.uploads / OWNER, "My photos", ("a", "b"))
    run = finished(here, "1" * 32, OWNER, demo)
    there = {"data": UPLOAD + own.folder.name, "run": run.name, "disk": "another"}
    assert landing(Workspace(here, OWNER), there, None).told == ""  # moved to another disk with all it held


def test_what_went_by_its_age_is_told_so(here: Settings, demo: Path) -> None:
    name_disk(here)
    shared, kept = dataclasses.replace(here, limits=SHARED), MINE | {"disk": disk_name(here)}
    visitor = Workspace(shared, OWNER)
    seen.remember_gone(shared, OWNER, [kept["run"]])
    assert landing(visitor, kept, None).told.startswith("Your training was deleted, since nobody came for a day.")
    seen.remember_gone(shared, OWNER, [kept["data"]])
    told = landing(visitor, kept, None).told
    assert told.startswith("Your photos were deleted, since nobody came for 2 hours. To go on, bring")
    run = finished(shared, "1" * 32, OWNER, demo)
    found = landing(visitor, kept, None)
    assert "Your trainings are still here." in found.told
    assert (found.run, found.tab) == (run.name, "predict")
    assert landing(Workspace(shared, OTHER), kept, None).told == ""
