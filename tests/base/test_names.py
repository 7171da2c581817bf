"""What is nobody's photo, and which names are those of splits."""

import pytest

from tl_engine.base.names import is_junk, printable
from tl_engine.data.split_names import split_kinds, split_of

LEAVINGS = """__MACOSX ._1.jpg .DS_Store .AppleDouble .Spotlight-V100 .fseventsd .Trashes .TemporaryItems
Thumbs.db THUMBS.DB ehthumbs.db desktop.ini Desktop.ini $RECYCLE.BIN @eaDir #recycle #snapshot a.jpg@SynoEAStream
@Recycle @Recently-Snapshot .@__thumb .@__desc .picasa.ini Picasa.ini .picasaoriginals .thumbnails .comments .dtrash
digikam4.db thumbnails-digikam.db .Trash .Trash-1000 lost+found .nomedia .stversions .directory .nfs0000a
.ipynb_checkpoints __pycache__ .git .svn"""


@pytest.mark.parametrize("name", [*LEAVINGS.split(), "Icon\r", "System Volume Information", "Temporary Items"])
def test_what_systems_nas_boxes_and_galleries_leave_is_junk(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize("name", ["cats", "recycle", "thumbs", "comments", "IMG_1.jpg", ".hidden", "Originals", "git"])
def test_what_a_person_may_have_called_so_is_no_junk(name: str) -> None:
    assert not is_junk(name)


@pytest.mark.parametrize("name", ["trains", "restaurant", "testimony", "valley", "device", "bullet_train", "2", ""])
def test_words_that_only_begin_like_a_split_are_none(name: str) -> None:
    assert split_of(name) is None


def test_a_name_with_other_words_is_a_split_only_beside_its_like() -> None:
    assert split_kinds(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert split_kinds(["bullet_train", "steam_train", "test_tube"]) == {}
    assert split_kinds(["train", "train_test"]) == {"train": "train"}


@pytest.mark.parametrize(
    "name", ["a\x1b[31m.png", "x\nfinished: 100% right.png", "a\u202egpj.exe", "a\u2028b", "tab\tb"]
)
def test_a_file_name_is_one_line_that_moves_no_cursor(name: str) -> None:
    shown = printable(name)
    assert "?" in shown
    assert len(shown.splitlines()) == 1
    assert not set(shown) & set("\x1b\n\t\u202e\u2028")


def test_letters_of_all_scripts_and_emoji_stay_as_they_are() -> None:
    for name in ("Ölbaum", "猫", "👩\u200d🌾.jpg", "a\u00a0b", "नमस्ते"):
        assert printable(name) == name
