"""Who is in the class, their photos together, the hidden test set, everything packed and everything deleted."""

import json
import logging
import time
import zipfile
from pathlib import Path

import pytest

from tests.classroom.conftest import MakePupil, photo, waiting_run, with_photos
from tl_engine.base.errors import ConfigError, DataError, EngineError
from tl_engine.base.settings import Settings
from tl_engine.classroom import hidden, keeping
from tl_engine.classroom.lesson import Lesson
from tl_engine.classroom.overview import overview
from tl_engine.classroom.pool import pool, pools
from tl_engine.classroom.pupils import Presence, at_seat, join, labels, name_pupil, pupil_of, pupils
from tl_engine.classroom.stage import Stage
from tl_engine.runs import open_runs
from tl_engine.runs.run import list_runs
from tl_engine.workspaces.forget import delete_data, delete_everything
from tl_engine.workspaces.workspace import Workspace

MARKUP = "<img src=x onerror=alert(1)>"


def test_names_are_kept_plain_and_told_apart(room: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for letter, name in zip("abc", ("Ana\u202e\n ", "ana", MARKUP), strict=True):
        name_pupil(Workspace(room, letter * 32), name)
        time.sleep(0.01)
    join(Workspace(room, "d" * 32))
    told = labels(pupils(room))
    assert list(told.values()) == ["Ana", "ana (2)", MARKUP, "Pupil 4"]
    assert len(set(told)) == 4
    assert not any(seat in "abcd" * 32 for seat in told)  # no seat is a part of a secret
    assert "Ana" not in caplog.text


@pytest.mark.parametrize("name", ["", "  ", "\u200b", "x" * 41, None, 7, ["Ana"]])
def test_what_is_no_name_is_refused(name: object, room: Settings) -> None:
    with pytest.raises(ConfigError, match="1 to 40"):
        name_pupil(Workspace(room, "a" * 32), name)  # type: ignore[arg-type]
    assert pupils(room) == []


def test_a_name_stays_with_its_workspace_and_goes_with_it(room: Settings, pupil: MakePupil) -> None:
    ana = pupil("a", "Ana", cat=range(2))
    first = pupil_of(ana)
    assert first
    assert join(ana) == first  # opened again
    name_pupil(ana, "Anna")
    again = pupil_of(ana)
    assert again
    assert (again.name, again.joined, again.seat) == ("Anna", first.joined, first.seat)
    delete_everything(ana)
    assert pupil_of(ana) is None
    with pytest.raises(EngineError, match="not here any more"):
        at_seat(first.seat, room)


def test_the_overview_has_all_pupils_and_nobody_else(room: Settings, pupil: MakePupil, tmp_path: Path) -> None:
    ana = pupil("a", "Ana", cat=range(3), dog=range(3, 5))
    ben = pupil("b", "Ben")
    with_photos(room, "e" * 32, {"cat": range(9)}, tmp_path)  # somebody who is not in the class
    run = waiting_run(ana, "one")
    presence = Presence()
    presence.mark(ben)
    rows = {row.label: row for row in overview(room, presence)}
    assert set(rows) == {"Ana", "Ben"}
    assert (rows["Ana"].photos, rows["Ben"].photos) == (5, 0)
    assert rows["Ana"].newest == run
    assert rows["Ana"].seen is None
    assert rows["Ben"].seen == pytest.approx(time.time(), abs=60)


def test_a_run_that_waits_is_moved_before_and_behind_the_others(room: Settings, pupil: MakePupil) -> None:
    ana = pupil("a", "Ana")
    for name in ("one", "two", "three"):
        waiting_run(ana, name)
    assert open_runs.move(room.runs, "three", first=True)
    assert open_runs.names(room.runs) == ["three", "one", "two"]
    assert open_runs.move(room.runs, "three", first=False)
    assert open_runs.names(room.runs) == ["one", "two", "three"]
    assert not open_runs.move(room.runs, "nobody", first=True)
    (room.runs / "two" / "stop").touch()  # it does not wait any more
    assert not open_runs.move(room.runs, "two", first=True)
    assert open_runs.names(room.runs) == ["one", "two", "three"]


def test_photos_of_all_are_one_data_set_with_names_merged(room: Settings, pupil: MakePupil, teacher: Workspace) -> None:
    pupil("a", "Ana", cat=range(3), dog=range(3, 6))
    pupil("b", "Ben", Cat=range(2, 4), Dog=range(6, 8))  # one photo is in both classes of two pupils
    pooled = pool(teacher)
    own = teacher.collection(pooled.choice)
    assert own.counts() == {"cat": 4, "dog": 5}
    assert "9 photos: cat 4, dog 5." in pooled.sentence
    assert "Cat and cat are one class" in pooled.sentence
    described = teacher.data(pooled.choice).described()
    assert described
    assert len(described.records) == 9  # it can be trained on
    again = pool(teacher)
    assert len(pools(room)) == 1  # it takes the place of the one before
    assert teacher.find(again.choice)


def test_a_photo_that_a_pupil_deletes_is_gone_from_the_pool_too(pupil: MakePupil, teacher: Workspace) -> None:
    ana = pupil("a", "Ana", cat=range(3), dog=range(3, 6))
    pupil("b", "Ben", cat=range(10, 12), dog=range(12, 14))
    own = teacher.collection(pool(teacher).choice)
    delete_data(ana, ana.own_data()[0])
    assert own.counts() == {"cat": 2, "dog": 2}


def test_nothing_to_pool_is_a_sentence_and_leaves_nothing(room: Settings, pupil: MakePupil, teacher: Workspace) -> None:
    pupil("a", "Ana")
    with pytest.raises(DataError, match="Nobody in the class"):
        pool(teacher)
    assert [path for path in teacher.folder.glob("*") if not path.name.startswith(".part")] == []
    assert pools(room) == []


def test_pupils_see_no_data_of_others_nor_the_pool_nor_the_test(
    room: Settings, pupil: MakePupil, teacher: Workspace
) -> None:
    ana, ben = pupil("a", "Ana", cat=range(6), dog=range(6, 12)), pupil("b", "Ben", cat=range(2), dog=range(2, 4))
    pooled = pool(teacher)
    for seed in range(100, 112):
        photo(seed, room.data_dir / "secret" / ("cat" if seed % 2 else "dog"))
    assert "folder:secret" in [value for _, value in ben.choices()]
    hidden.choose_test(teacher, "folder:secret")
    named = ("folder:secret", "secret", "upload:.classroom", "folder:.classroom", "upload:../.classroom")
    for choice in (ana.own_data()[0], pooled.choice, "folder:../uploads/.classroom/test", *named):
        assert choice not in [value for _, value in ben.choices()]
        assert ben.find(choice) is None
    hidden.put_away(room)
    assert ben.find("folder:secret")


def test_a_test_set_is_a_copy_that_only_the_teacher_chose(
    room: Settings, pupil: MakePupil, teacher: Workspace, tmp_path: Path
) -> None:
    with_photos(room, teacher.token, {"cat": range(50, 56), "dog": range(56, 62)}, tmp_path)
    mine = teacher.own_data()[0]
    test = hidden.choose_test(teacher, mine)
    assert (test.photos, test.classes) == (12, ("cat", "dog"))
    assert hidden.TestSet.read(room) == test
    delete_data(teacher, mine)
    assert len(hidden.contents(room)) == 12
    ana = pupil("a", "Ana", cat=range(6), dog=range(6, 12))
    with pytest.raises(DataError):  # nobody tests on what is somebody else's
        hidden.choose_test(teacher, ana.own_data()[0])
    with pytest.raises(DataError, match="pupils learn from"):
        hidden.choose_test(teacher, pool(teacher).choice)
    with pytest.raises(DataError, match="Everybody in the class"):
        hidden.choose_test(teacher, "digits")
    with_photos(room, teacher.token, {"cat": range(70, 73), "dog": range(73, 75)}, tmp_path)
    few = next(choice for title, choice in teacher.choices() if title == "Yours: My photos")
    with pytest.raises(DataError, match="10 to 500"):
        hidden.choose_test(teacher, few)
    assert hidden.TestSet.read(room) == test  # what is refused changes nothing


def test_everything_is_one_zip_by_pupil_with_names_made_safe(room: Settings, pupil: MakePupil) -> None:
    Lesson(title="Pets", classes=("cat", "dog")).write(room)
    pupil("a", "../Ana", cat=range(3), dog=range(3, 5))
    pupil("b", "../Ana", cat=range(5, 6))
    pupil("c", "丽丽", cat=range(6, 7))
    archive = keeping.packed(room)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        files = opened.namelist()
        named = json.loads(opened.read("pupils.json"))
    assert sorted(named.values()) == ["../Ana", "../Ana (2)", "丽丽"]
    assert all(".." not in Path(file).parts and not file.startswith("/") for file in files)
    assert sum("/photos/My photos/cat/" in file for file in files) == 5
    assert {file.split("/")[0] for file in files} == {"lesson.json", "pupils.json", *named}
    assert "丽丽" in named
    again = keeping.packed(room)
    assert not archive.exists()  # the one before is gone
    assert again.exists()
    assert again.parent.name != archive.parent.name  # whose place nobody can guess
    assert "a" * 32 not in "".join(files)  # no secret of a workspace


def test_everything_of_the_class_goes_and_nothing_of_others(
    room: Settings, pupil: MakePupil, teacher: Workspace, tmp_path: Path
) -> None:
    Lesson(title="Pets", classes=("cat", "dog")).write(room)
    ana = pupil("a", "Ana", cat=range(6), dog=range(6, 12))
    pupil("b", "Ben", cat=range(20, 22))
    other = with_photos(room, "e" * 32, {"cat": range(30, 33)}, tmp_path)
    waiting_run(ana, "hers")
    theirs = waiting_run(other, "theirs")
    with_photos(room, teacher.token, {"cat": range(50, 56), "dog": range(56, 62)}, tmp_path)
    hidden.choose_test(teacher, teacher.own_data()[0])
    pool(teacher)
    archive = keeping.packed(room)
    Stage(run="hers", board=True).write(room)
    words = keeping.content(room).words
    assert "2 pupils with their names, 14 photos and 1 training" in words
    gone = keeping.delete_class(room)
    assert (gone.pupils, gone.photos, gone.runs) == (2, 14, 1)
    assert pupils(room) == []
    assert not ana.folder.exists()
    assert list_runs(room) == [theirs]
    assert pools(room) == []
    assert hidden.TestSet.read(room) is None
    assert not archive.exists()
    assert Stage.read(room) == Stage()
    assert len(other.own_data()) == 1
    assert len(teacher.own_data()) == 1  # the teacher's own photos stay
    assert Lesson.read(room)
    keeping.delete_class(room, lesson_too=True)
    assert Lesson.read(room) is None
