"""What was taken out of a data set is in nobody's way, and comes back whatever happened to its class meanwhile."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_engine.base.names import REMOVED
from tl_engine.base.settings import Limits
from tl_engine.data.scan import scan
from tl_engine.sources import set_aside
from tl_engine.sources.collection import Collection, create


@pytest.fixture
def own(tmp_path: Path) -> Collection:
    made = create(tmp_path / "visitor", "Pets", ("cats", "dogs"))
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        for index in range(3):
            pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(made.folder / name / f"{name}{index}.png")
    return made


def test_what_was_taken_out_is_not_read_and_not_told_as_left_out(own: Collection) -> None:
    own.set_aside("cats", ["cats0.png"])
    data = scan(own.folder, Limits())
    assert (data.counts(), list(data.left_out)) == ({"cats": {"train": 2}, "dogs": {"train": 3}}, [])


def test_only_what_was_taken_out_last_comes_back(own: Collection) -> None:
    own.set_aside("cats", ["cats0.png"])
    own.set_aside("dogs", ["dogs0.png", "dogs1.png"])
    assert [path.name for path in own.removed()] == ["dogs0.png", "dogs1.png"]
    assert own.put_back() == 2
    assert own.counts() == {"cats": 2, "dogs": 3}
    assert not (own.folder / REMOVED).exists()


def test_photos_come_back_to_the_class_that_has_their_name_now_capitals_aside(own: Collection) -> None:
    own.set_aside("cats", ["cats0.png"])
    own.delete_class("cats")
    own.add_class("Cats", Limits())
    assert own.put_back() == 1
    assert own.counts() == {"Cats": 1, "dogs": 3}


def test_a_photo_that_another_tab_took_first_is_no_error_and_does_not_count(own: Collection) -> None:
    photos = own.photos("cats")
    photos[0].unlink()
    assert set_aside.take_out(photos, own.folder) == 2


def test_a_data_set_that_another_tab_deleted_does_not_come_back_as_a_folder(own: Collection) -> None:
    photos = own.photos("cats")
    shutil.rmtree(own.folder)
    with pytest.raises(FileNotFoundError):
        set_aside.take_out(photos, own.folder)
    assert not own.folder.exists()
    assert own.put_back() == 0


def test_what_cannot_be_brought_back_stays(own: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    own.set_aside("cats", ["cats0.png"])
    before = own.removed()
    with monkeypatch.context() as patched:
        patched.setattr(set_aside, "_moved", lambda _photo, _folder: False)
        assert own.put_back() == 0
    assert own.removed() == before
    assert own.put_back() == 1


@pytest.mark.parametrize("names", [["../dogs/dogs0.png"], ["../.title"], ["..", ".", "", "*"], ["cats0.png\0"]])
def test_nobody_takes_out_another_folders_files(names: list[str], own: Collection) -> None:
    assert own.set_aside("cats", names) == 0
    assert own.counts() == {"cats": 3, "dogs": 3}
    assert own.titled
