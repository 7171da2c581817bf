"""Folders from elsewhere: names that are safe whatever a stranger called a class, refusals in one sentence."""

from pathlib import Path

import pytest

from tl_engine.base.errors import DataError
from tl_engine.base.files import made_whole
from tl_engine.base.names import class_folder_names, is_junk
from tl_engine.base.settings import Limits
from tl_engine.sources.room import check_room

HOSTILE = (
    "../../etc/passwd", "..", ".", "", "   ", "/", "\\", ".hidden", "a/b", "a\\b", "C:\\x", "\0", "a\nb", "\u202eevil",
    "\u200b", "Thumbs.db", "__MACOSX", "._x", "con?", "é" * 300, "e" * 300, "x" * 300 + "1", "x" * 300 + "2", "\ud800",
    "🐝" * 200, "name.", "name ", "name",
)  # fmt: skip


def test_hostile_class_names_become_distinct_visible_folders(tmp_path: Path) -> None:
    names = class_folder_names(HOSTILE)
    assert len({name.casefold() for name in names}) == len(HOSTILE)
    for name in names:
        (tmp_path / name).mkdir()  # one level, not there yet, not too long
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert not [name for name in names if name.startswith(".") or len(name) > 120 or not name.isprintable()]
    assert not [name for name in names if is_junk(name)]  # a scan would not see it


@pytest.mark.parametrize(
    ("names", "folders"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (["T-shirt/top", "pink-yellow dahlia?"], ["T-shirt-top", "pink-yellow dahlia"]),
        (["Cat", "cat", "CAT"], ["Cat", "cat 2", "CAT 3"]),
        (["cat 2", "cat", "Cat"], ["cat 2", "cat", "Cat 3"]),
        (["-1", "1"], ["-1", "1"]),
        (["", ".", "x"], ["class 0", "class 1", "x"]),
    ],
)
def test_class_names_stay_readable(names: list[str], folders: list[str]) -> None:
    assert class_folder_names(names) == folders


def test_a_maker_that_fails_leaves_nothing_and_keeps_its_words(tmp_path: Path) -> None:
    def refuse(partial: Path) -> None:
        (partial / "x").mkdir(parents=True)
        raise DataError("No.")

    with pytest.raises(DataError, match=r"^No\.$"):
        made_whole(tmp_path / "data" / "new", "The data", refuse)
    assert list((tmp_path / "data").iterdir()) == []


def test_room_counts_what_is_needed(tmp_path: Path) -> None:
    check_room(tmp_path, 0, Limits(free_bytes=0))
    with pytest.raises(DataError, match=r"^The disk has \d+\.\d GB left, 1000000\.0 GB are needed for new data"):
        check_room(tmp_path, 10**15, Limits(free_bytes=0))
