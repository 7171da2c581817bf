"""Privacy by time: what is due goes from disk and cache, whoever else is there; what is at work or kept stays."""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.visits.conftest import OTHER, OWNER, a_run
from tl_engine.base.errors import RunError
from tl_engine.base.files import write_json
from tl_engine.base.settings import HOME, HOUR, Settings
from tl_engine.data.mends import DROP, Mend
from tl_engine.evaluation.run_photos import small_copy
from tl_engine.networks.feature_cache import FeatureCache
from tl_engine.photos.thumbnails import thumbnail
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.sources.collection import Collection
from tl_engine.visits import ageing, disk, kept, seen
from tl_engine.visits.ageing import Ageing, forget_aged, promise
from tl_engine.workspaces import corrections, forget
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.scratch import PACKED, new_folder
from tl_engine.workspaces.workspace import Workspace
from ui.parts.photo_grid import Item, PhotoGrid


def away(here: Settings, token: str, hours: float) -> None:
    """As if that workspace had last been heard of so long ago."""
    mark, then = disk.make_marks_folder(here) / token, time.time() - hours * HOUR
    mark.touch()
    os.utime(mark, (then, then))


def aged(path: Path, hours: float) -> None:
    """As if a file, or all below a folder, were so old."""
    then = time.time() - hours * HOUR
    for one in [*path.rglob("*"), path]:
        os.utime(one, (then, then))


def old_run(here: Settings, name: str, workspace: str | None, hours: float, **options: Any) -> Run:
    run = a_run(here, name, workspace, **options)
    facts = run.folder / "config.json"
    facts.write_text(
        facts.read_text().replace(f'"created": {run.facts.created}', f'"created": {time.time() - hours * HOUR}')
    )
    os.utime(facts, (1, 1))
    return run


def pets(here: Settings, token: str, seed: int) -> Collection:
    """A data set of two photos a class with bytes that nobody else has."""
    own = collection.create(here.uploads / token, "Pets", ("cats", "dogs"))
    random = np.random.default_rng(seed)
    for name in ("cats", "cats", "dogs", "dogs"):
        Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(own.folder.parent / "new.png")
        own.add(name, own.folder.parent / "new.png", here.limits)
        (own.folder.parent / "new.png").unlink()
    return own


def photos(own: Collection) -> list[Path]:
    return [photo for name in own.classes() for photo in own.photos(name)]


def used(own: Collection, here: Settings, run: Run | None = None) -> set[str]:
    """Do with a data set what leaves copies everywhere; how thumbnails are called."""
    grid, found = PhotoGrid(here, "photos", "photos"), photos(own)
    grid.show([Item(photo, photo.name, "") for photo in found])
    own.pack(new_folder(PACKED, own.folder.name) / "all.zip")
    digests = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in found]
    for photo, digest in zip(found, digests, strict=True):  # as Gradio keeps what arrives
        kept_by_gradio = Path(os.environ["GRADIO_TEMP_DIR"]) / digest / "photo.png"
        kept_by_gradio.parent.mkdir(parents=True, exist_ok=True)
        kept_by_gradio.write_bytes(photo.read_bytes())
    if run:
        for digest in digests:
            small = small_copy(run.folder / "report", digest)
            small.parent.mkdir(parents=True, exist_ok=True)
            small.write_bytes(b"small " + digest.encode())
    cache = FeatureCache(here.cache / "features", "pair", 10**9)
    cache.add([*digests, f"{digests[0]}:flip:0"], torch.rand(len(digests) + 1, 4))
    return {thumbnail(photo, here).name for photo in found}


def holding(content: bytes, place: Path) -> list[Path]:
    """Every file below that holds these bytes."""
    middle = content[len(content) // 2 - 100 : len(content) // 2 + 100]
    return [file for file in place.rglob("*") if file.is_file() and middle in file.read_bytes()]


def left_of(names: set[str], digests: set[str], place: Path) -> list[Path]:
    """Every thumbnail, small copy and row of features of photos of these names and contents."""
    texts, small = [digest.encode() for digest in digests], {digest[:32] for digest in digests}
    files = [file for file in place.rglob("*") if file.is_file()]
    known = [file for file in files if file.name in names or file.stem in small]
    return [*known, *(file for file in files if any(text in file.read_bytes() for text in texts))]


def test_nothing_of_a_visitor_who_was_away_is_left_and_all_of_the_others_is(here: Settings, tmp_path: Path) -> None:
    run = a_run(here, "1" * 32, OWNER)
    mine, theirs = pets(here, OWNER, 1), pets(here, OTHER, 2)
    contents = [[photo.read_bytes() for photo in photos(own)] for own in (mine, theirs)]
    digests = [{hashlib.sha256(content).hexdigest() for content in some} for some in contents]
    names = [used(mine, here, run), used(theirs, here)]
    for some, called, of in zip(contents, names, digests, strict=True):
        assert all(len(holding(content, tmp_path)) == 3 for content in some)  # itself, what Gradio keeps, the zip
        assert len(left_of(called, of, tmp_path)) >= 5
    away(here, OWNER, 2.1)
    away(here, OTHER, 1.9)
    forget_aged(here, time.time())
    assert [holding(content, tmp_path) for content in contents[0]] == [[]] * 4
    assert left_of(names[0], digests[0], tmp_path) == []
    assert not (here.uploads / OWNER).exists()
    assert all(len(holding(content, tmp_path)) == 3 for content in contents[1])
    assert FeatureCache(here.cache / "features", "pair", 10**9).rows(sorted(digests[1])).keys() == digests[1]
    assert seen.gone(here, OWNER) == [UPLOAD + mine.folder.name]
    assert run.folder.is_dir()  # trainings stay for a day


def test_features_of_one_photo_go_and_those_beside_them_stay_as_they_were(here: Settings) -> None:
    own = pets(here, OWNER, 1)
    used(own, here)
    digests = {photo.name: hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos(own)}
    before = FeatureCache(here.cache / "features", "pair", 10**9).rows(list(digests.values()))
    gone = own.photos("cats")[0].name
    forget.delete_photos(own, "cats", [gone], here)
    after = FeatureCache(here.cache / "features", "pair", 10**9).rows(list(digests.values()))
    assert before.keys() - after.keys() == {digests[gone]}
    assert all(torch.equal(after[digest], before[digest]) for digest in after)


def test_what_arrived_or_was_handed_out_goes_by_its_own_age(here: Settings) -> None:
    old, young = (new_folder("photos", day) / "photo.png" for day in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"photo")
    aged(old.parent, 2.1)
    forget_aged(here, time.time())
    assert not old.exists()
    assert young.is_file()
    aged(old.parent, 2.1)  # it changed when the photo went
    forget_aged(here, time.time())
    assert not old.parent.exists()


def corrected(own: Collection, here: Settings) -> str:
    """The data of a training whose photos were corrected before: a file beside them."""
    chosen = Workspace(here, OWNER).data(UPLOAD + own.folder.name)
    corrections.correct(chosen, [Mend(file=f"cats/{own.photos('cats')[0].name}", action=DROP)])
    return corrections.frozen(chosen)


@pytest.mark.parametrize("data_of", [lambda own, _here: str(own.folder), corrected], ids=["plain", "corrected"])
def test_a_run_that_waits_and_its_photos_stay_however_long(
    data_of: Callable[[Collection, Settings], str], here: Settings
) -> None:
    own, other = pets(here, OWNER, 1), pets(here, OWNER, 2)
    data = data_of(own, here)
    run = old_run(here, "1" * 32, OWNER, 100, over=False, data=data)
    away(here, OWNER, 100)
    forget_aged(here, time.time())
    assert run.state() == "queued"
    assert Path(data).exists()
    assert len(photos(own)) == 4
    assert not other.folder.exists()
    run.ask_to_stop()
    forget_aged(here, time.time())
    assert not run.folder.exists()
    assert not (here.uploads / OWNER).exists()


def test_runs_go_after_a_day_unless_they_are_kept_and_never_the_hosts(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    mine, wanted, hosts = (
        old_run(here, name, owner, 25) for name, owner in (("1" * 32, OWNER), ("2" * 32, OWNER), ("host", None))
    )
    recent = a_run(here, "3" * 32, OWNER)
    kept.keep(visitor, wanted.name)
    away(here, OWNER, 23)
    forget_aged(here, time.time())
    assert mine.folder.is_dir()  # 25 hours old, and somebody was here since
    away(here, OWNER, 25)
    forget_aged(here, time.time())
    assert [run.folder.is_dir() for run in (mine, wanted, hosts, recent)] == [False, True, True, True]
    assert seen.gone(here, OWNER) == [mine.name]
    kept.let_go(visitor, wanted.name)
    forget_aged(here, time.time())
    assert not wanted.folder.exists()


def test_the_hosts_photos_stay(here: Settings) -> None:
    for folder in (here.data_dir / "photos" / "a", here.samples / "hf--x" / "a", here.uploads / "not-a-token" / "a"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"photo")
    aged(here.uploads, 1000)
    forget_aged(here, time.time())
    assert len(list(here.data_dir.parent.rglob("1.png"))) == 3


def test_at_home_nothing_goes_by_its_age(here: Settings) -> None:
    home = dataclasses.replace(here, limits=HOME)
    own, run = pets(home, OWNER, 1), old_run(home, "1" * 32, OWNER, 10_000)
    away(home, OWNER, 10_000)
    forget_aged(home, time.time() + 10_000 * HOUR)
    Ageing(home).look()
    assert len(photos(own)) == 4
    assert run.folder.is_dir()
    assert promise(HOME) == ""
    assert "deleted 2 hours after you were last here, trainings after a day" in promise(here.limits)


def test_who_has_no_mark_is_counted_from_what_they_brought_last(here: Settings) -> None:
    own = pets(here, OWNER, 1)
    aged(here.uploads / OWNER, 1.9)
    forget_aged(here, time.time())
    assert len(photos(own)) == 4
    aged(here.uploads / OWNER, 2.1)
    forget_aged(here, time.time())
    assert not own.folder.exists()


def test_one_failure_does_not_stop_the_others(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(here, OWNER, 1)
    theirs = pets(here, OTHER, 2)
    for token in (OWNER, OTHER):
        away(here, token, 3)
    done = forget.delete_brought

    def failing(visitor: Workspace, spared: Any = ()) -> list[str]:
        if visitor.token == OWNER:
            raise PermissionError(13, "Permission denied")
        return done(visitor, spared)

    monkeypatch.setattr(ageing.forget, "delete_brought", failing)
    forget_aged(here, time.time())
    assert not theirs.folder.exists()


def test_a_mark_of_somebody_with_nothing_left_goes_after_a_week(here: Settings) -> None:
    pets(here, OWNER, 1)
    away(here, OWNER, 3)
    forget_aged(here, time.time())
    assert seen.marked(here) == [OWNER]
    away(here, OWNER, 24 * 8)
    forget_aged(here, time.time())
    assert seen.marked(here) == []


def test_it_looks_once_a_minute(here: Settings) -> None:
    caretaker = Ageing(here)
    caretaker.look()
    own = pets(here, OWNER, 1)
    away(here, OWNER, 3)
    caretaker.look()
    assert own.folder.is_dir()
    Ageing(here).look()
    assert not own.folder.exists()


def from_hub(here: Settings, token: str, *names: str) -> None:
    """As if that visitor had taken these classifiers from the hub."""
    write_json(here.uploads / token / ".hub.json", {"names": list(names)})
    for name in names:
        place, commit = here.cache / "hub" / name.removeprefix("hub:").replace("/", "--"), "c" * 40
        (place / commit / "best").mkdir(parents=True, exist_ok=True)
        write_json(
            place / "known.json", {"main": {"commit": commit, "open": True}, commit: {"commit": commit, "open": True}}
        )


@pytest.mark.parametrize("way", ["age", "all that is mine"])
def test_what_was_taken_from_the_hub_goes_when_nobody_else_has_it(way: str, here: Settings) -> None:
    from_hub(here, OWNER, "hub:me/mine", "hub:me/both")
    from_hub(here, OTHER, "hub:me/both")
    if way == "age":
        away(here, OWNER, 3)
        forget_aged(here, time.time())
    else:
        forget.delete_everything(Workspace(here, OWNER))
    assert [folder.name for folder in (here.cache / "hub").iterdir()] == ["me--both"]


def test_so_many_trainings_are_kept_and_only_ones_own(here: Settings) -> None:
    visitor = Workspace(here, OWNER)
    runs = [a_run(here, str(number) * 32, OWNER) for number in range(here.limits.kept_runs + 1)]
    theirs, hosts = a_run(here, "f" * 32, OTHER), a_run(here, "host", None)
    for run in (*runs[:-1], runs[0]):  # twice is once
        kept.keep(visitor, run.name)
    for name in (runs[-1].name, theirs.name, hosts.name, "0" * 31, "../x"):
        with pytest.raises(RunError):
            kept.keep(visitor, name)
    with pytest.raises(RunError):
        kept.let_go(visitor, theirs.name)
    kept.let_go(visitor, runs[0].name)
    assert kept.is_kept(kept.keep(visitor, runs[-1].name))
