"""Deleted is gone: whichever way a photo is deleted, nothing of it is left anywhere that this program writes."""

import dataclasses
import hashlib
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.ended_runs import ended_run
from tl_engine.base.errors import DataError, RunError
from tl_engine.base.files import file_hash
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.data.manifest import read_manifest
from tl_engine.evaluation.run_photos import small_copy
from tl_engine.graphs.kept import BY_APP, Kept
from tl_engine.ledger.set_aside import FOLDER, UNDO_SECONDS
from tl_engine.runs import open_runs, queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import REPORT, Run
from tl_engine.sources import collection
from tl_engine.sources.collection import Collection
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.forget import (
    bring_run_back,
    delete_class,
    delete_data,
    delete_everything,
    delete_photos,
    delete_run,
    forget_deleted,
    forget_removed,
    remove_photos,
    rename_class,
    runs_aside,
    set_run_aside,
    sweep_deleted,
    undo_removal,
)
from tl_engine.workspaces.scratch import EXPORT, PACKED, ZIP, new_folder
from tl_engine.workspaces.workspace import Workspace
from ui.parts.photo_grid import Item, PhotoGrid

OWNER = "a" * 32
Delete = Callable[[Collection, Settings], object]
WAYS: dict[str, Delete] = {
    "photos": lambda own, here: delete_photos(own, "cats", [p.name for p in own.photos("cats")], here),
    "class": lambda own, here: delete_class(own, "cats", here),
    "collection": lambda own, here: delete_data(Workspace(here, OWNER), UPLOAD + own.folder.name),
    "removed, ten minutes ago": lambda own, here: (
        remove_photos(own, "cats", [p.name for p in own.photos("cats")], here),
        forget_removed(here, older_than=-1),
    ),
    "removed, and another after it": lambda own, here: (
        remove_photos(own, "cats", [p.name for p in own.photos("cats")], here),
        remove_photos(own, "dogs", [], here),
    ),
    "everything": lambda _own, here: delete_everything(Workspace(here, OWNER)),
}


@pytest.fixture
def here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "handed"))
    return dataclasses.replace(settings, uploads=tmp_path / "uploads")


def uploaded(folder: Path, number: int) -> Path:
    """A photo as Gradio keeps it when it arrives."""
    pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{number}.png")
    content = (folder / f"{number}.png").read_bytes()
    (folder / f"{number}.png").unlink()
    kept = folder / "handed" / hashlib.sha256(content).hexdigest() / "photo.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    return kept


def used(own: Collection, here: Settings) -> list[Path]:
    """Do with the data set what leaves copies: show it, look at it, pack it; the thumbnails handed out."""
    grid = PhotoGrid(here, "photos", "photos")
    photos = [photo for name in own.classes() for photo in own.photos(name)]
    shown = grid.show([Item(photo, photo.name, "") for photo in photos])[grid.gallery]
    watched(read_manifest(own.folder, here), lambda _event: None)
    own.pack(new_folder(PACKED, own.folder.name) / "all.zip")
    return [Path(small) for small, _ in shown]


def left_of(content: bytes, folder: Path) -> list[Path]:
    """Every file that holds these bytes; photos are stored in zips as they are."""
    middle = content[len(content) // 2 - 100 : len(content) // 2 + 100]
    return [file for file in folder.rglob("*") if file.is_file() and middle in file.read_bytes()]


@pytest.mark.parametrize("way", WAYS)
def test_no_byte_of_a_deleted_photo_is_left(way: str, here: Settings, tmp_path: Path) -> None:
    own = collection.create(here.uploads / OWNER, "Pets")
    contents = []
    for number, name in enumerate(("cats", "cats", "dogs", "dogs")):
        if name not in own.classes():
            own.add_class(name, here.limits)
        kept = uploaded(tmp_path, number)
        contents.append(kept.read_bytes())
        own.add(name, kept, here.limits)
    before = [photo.name for photo in own.photos("cats")]
    small = used(own, here)
    for content in contents:  # what travels with a run that used them
        copy = small_copy(here.runs / "one" / REPORT, hashlib.sha256(content).hexdigest())
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(b"small of " + content[-100:])
        small.append(copy)
    assert all(len(left_of(content, tmp_path)) == 3 for content in contents)  # as it came, kept, in the zip
    manifests = here.cache / "manifests"
    assert list(manifests.iterdir())
    deleted = small_copy(here.runs / ".deleted" / "9-one" / REPORT, hashlib.sha256(contents[0]).hexdigest())
    deleted.parent.mkdir(parents=True)
    deleted.write_bytes(b"small")
    seen = [hashlib.sha256(content).hexdigest() for content in contents]  # by an export, some by their small copies
    seen += [file_hash(copy) for copy in small[4:]]
    exported = Kept(here, "a" * 32)
    exported.add_features(BY_APP, seen, np.ones((len(seen), 3), np.float32))
    WAYS[way](own, here)
    assert not deleted.exists()  # also of a run that could still be brought back
    assert before
    assert [left_of(content, tmp_path) for content in contents[:2]] == [[], []]
    all_of_it = way in ("collection", "everything")
    gone = small if all_of_it else [*small[:2], *small[4:6]]
    left = [exported.features(BY_APP, [digest]) is not None for digest in seen]
    assert left == [False, False, not all_of_it, not all_of_it] * 2
    assert not [copy for copy in gone if copy.exists()]
    assert not [file for file in here.cache.rglob("*.jpg") if file.name in {copy.name for copy in gone}]
    assert not list(manifests.iterdir())
    assert not [z for z in tmp_path.rglob("*.zip") if zipfile.is_zipfile(z)]


def test_a_zip_that_was_taken_goes_with_everything(here: Settings, tmp_path: Path) -> None:
    folder = here.uploads / OWNER / "holiday-0123456789abcdef"
    for number, name in enumerate(("sea", "sea", "hills", "hills")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{number}.png").write_bytes(uploaded(tmp_path, number).read_bytes())
    contents = [file.read_bytes() for file in folder.rglob("*.png")]
    assert len(Workspace(here, OWNER).choices()) > len(Workspace.of(here, "").choices())
    assert delete_everything(Workspace(here, OWNER)) == (1, 0)
    assert [left_of(content, tmp_path) for content in contents] == [[]] * 4


def test_a_photo_that_another_visitor_has_too_stays_with_them(here: Settings, tmp_path: Path) -> None:
    kept = uploaded(tmp_path, 1)
    owns = [collection.create(here.uploads / token, "Pets") for token in (OWNER, "b" * 32)]
    for own in owns:
        own.add_class("cats", here.limits)
        own.add("cats", kept, here.limits)
    theirs = owns[1].photos("cats")
    grid = PhotoGrid(here, "photos", "photos")
    [(small, _)] = grid.show([Item(theirs[0], "a", "")])[grid.gallery]
    delete_everything(Workspace(here, OWNER))
    assert theirs[0].is_file()
    assert Path(small).is_file()


def test_a_class_that_was_renamed_leaves_no_thumbnail_of_its_old_name(here: Settings, tmp_path: Path) -> None:
    own = collection.create(here.uploads / OWNER, "Pets")
    for number, name in enumerate(("cats", "cats", "dogs", "dogs")):
        if name not in own.classes():
            own.add_class(name, here.limits)
        own.add(name, uploaded(tmp_path, number), here.limits)
    old = used(own, here)
    rename_class(own, "cats", "big cats", here)
    new = used(own, here)
    assert len({*old, *new}) == 6  # the dogs' two have stayed the same
    delete_data(Workspace(here, OWNER), UPLOAD + own.folder.name)
    assert [small for small in (*old, *new) if small.exists()] == []
    assert list(here.cache.rglob("*.jpg")) == []


def test_an_upload_that_waits_for_an_answer_goes_with_everything(here: Settings, tmp_path: Path) -> None:
    waiting = uploaded(tmp_path, 1)
    delete_everything(Workspace.of(here, OWNER), str(waiting))
    assert not waiting.exists()


def test_what_was_removed_is_left_once_and_comes_back(here: Settings, tmp_path: Path) -> None:
    own = collection.create(here.uploads / OWNER, "Pets", ("cats", "dogs"))
    contents = {}
    for number, name in enumerate(("cats", "cats", "dogs", "dogs")):
        kept = uploaded(tmp_path, number)
        contents[own.add(name, kept, here.limits)] = kept.read_bytes()
    used(own, here)
    photo = own.photos("cats")[0]
    assert remove_photos(own, "cats", [photo.name, "gone.png"], here) == 1
    assert left_of(contents[photo], tmp_path) == own.removed()
    forget_removed(here)  # not yet
    assert undo_removal(own) == 1
    assert left_of(contents[photo], tmp_path) == [photo]
    assert undo_removal(own) == 0


def a_run(here: Settings, name: str, workspace: str | None, *, over: bool = True) -> Run:
    run = queue.create(TrainConfig(data="digits"), here, name, workspace=workspace)
    if over:
        run.ask_to_stop()
    return run


def test_a_run_is_deleted_by_who_started_it_once_it_has_ended(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    mine, theirs, hosts, going = (
        a_run(here, "1" * 32, OWNER), a_run(here, "2" * 32, "b" * 32), a_run(here, "host", None),
        a_run(here, "3" * 32, OWNER, over=False),
    )  # fmt: skip
    handed = [new_folder(kind, f"{mine.name}-1") for kind in (ZIP, EXPORT)]
    for name in (theirs.name, hosts.name, going.name, "gone", "../x", ""):
        with pytest.raises(RunError):
            delete_run(visitor, name)
    delete_run(visitor, mine.name)
    assert not mine.folder.exists()
    assert not any(folder.exists() for folder in handed)
    assert mine.name not in open_runs.names(here.runs)
    assert {run.name for run in (theirs, hosts, going) if run.folder.is_dir()} == {theirs.name, hosts.name, going.name}


def test_a_run_that_cannot_be_moved_away_stays_and_says_so(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = a_run(here, "1" * 32, OWNER)

    def refused(_path: Path, _target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(RunError):
        delete_run(Workspace(here, OWNER), mine.name)
    assert mine.folder.is_dir()
    assert mine.name in open_runs.names(here.runs)
    assert delete_everything(Workspace(here, OWNER), runs=True) == (0, 0)


def test_everything_reaches_runs_only_when_asked_and_never_one_that_goes_on(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    ended, going = a_run(here, "1" * 32, OWNER), a_run(here, "2" * 32, OWNER, over=False)
    assert delete_everything(visitor) == (0, 0)
    assert delete_everything(visitor, runs=True) == (0, 1)
    assert not ended.folder.exists()
    assert going.folder.is_dir()


def test_only_what_a_visitor_brought_is_deleted_as_theirs(here: Settings) -> None:
    (here.data_dir / "photos" / "a").mkdir(parents=True)
    for choice in ("digits", "folder:photos", "photos", "upload:../x", "", "upload:"):
        with pytest.raises(DataError):
            delete_data(Workspace(here, OWNER), choice)
    assert (here.data_dir / "photos" / "a").is_dir()


def left(here: Settings) -> list[Path]:
    """All that is left of runs but the queue's own."""
    return [path for path in here.runs.rglob("*") if path.name != ".lock" and ".open" not in path.parts]


def test_a_deleted_run_comes_back_whole_for_whoever_deleted_it(here: Settings) -> None:
    run, visitor = ended_run(here, 1, OWNER), Workspace(here, OWNER)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    packed = new_folder(ZIP, f"{run.name}-1")
    set_run_aside(visitor, run.name)
    assert visitor.runs() == []
    assert not packed.exists()
    assert [aside.name for aside in runs_aside(visitor)] == [run.name]
    assert runs_aside(Workspace(here, "b" * 32)) == []
    with pytest.raises(RunError, match="gone for good"):
        bring_run_back(Workspace(here, "b" * 32), run.name)
    forget_deleted(here)  # not yet
    assert bring_run_back(visitor, run.name) == run
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before
    assert visitor.runs() == [run]


def test_after_its_minute_nothing_of_a_deleted_run_is_left(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run, visitor = ended_run(here, 1, OWNER), Workspace(here, OWNER)
    set_run_aside(visitor, run.name)
    packed = new_folder(EXPORT, f"{run.name}-1")  # made by a page that was slow
    later = time.time() + UNDO_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(RunError, match="gone for good"):
        bring_run_back(visitor, run.name)
    forget_deleted(here)
    assert left(here) == [here.runs / FOLDER]
    assert not packed.exists()


@pytest.mark.parametrize("runs", [True, False])
def test_deleting_everything_leaves_nothing_to_bring_back(here: Settings, runs: bool) -> None:
    visitor, other = Workspace(here, OWNER), Workspace(here, "b" * 32)
    for number, who in enumerate((visitor, other)):
        set_run_aside(who, ended_run(here, number, who.token).name)
    delete_everything(visitor, runs=runs)
    assert runs_aside(visitor) == []
    assert len(runs_aside(other)) == 1


def test_a_run_that_goes_on_or_is_somebody_elses_is_not_set_aside(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    going, theirs, hosts = a_run(here, "1", OWNER, over=False), ended_run(here, 2, "b" * 32), ended_run(here, 3, None)
    for run in (going, theirs, hosts):
        with pytest.raises(RunError):
            set_run_aside(visitor, run.name)
        assert run.folder.is_dir()
    assert runs_aside(visitor) == []


def test_what_killed_deletions_left_is_swept_and_nothing_else(here: Settings) -> None:
    run, own = ended_run(here, 1, OWNER), collection.create(here.uploads / OWNER, "Pets", ("cats",))
    (own.folder / "cats" / "a.png").write_bytes(b"x")
    left_behind = [here.runs / ".deleted-0a1b2c3d", here.runs / FOLDER / "gone-0a1b2c3d",
                   here.uploads / OWNER / ".deleted-0a1b2c3d", own.folder / ".deleted-0a1b2c3d"]  # fmt: skip
    for folder in left_behind:
        folder.mkdir(parents=True)
        (folder / "photo.png").write_bytes(b"x")
    sweep_deleted(here)
    assert not [folder for folder in left_behind if folder.exists()]
    assert (own.folder / "cats" / "a.png").is_file()
    assert run.folder.is_dir()
