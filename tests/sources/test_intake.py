"""From what a person names to a checked folder: folders, zips, and nothing left behind when refused."""

import functools
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tests.made_zips import with_raw_names
from tests.photo_trees import filled
from tl_engine.base.errors import DataError, Question
from tl_engine.base.events import Event
from tl_engine.base.progress import telling
from tl_engine.base.settings import Limits, Settings
from tl_engine.data.mends import Located
from tl_engine.data.reading import CLASSES, SPLITS, Reading
from tl_engine.sources.intake import load_data, locate, unpacked
from tl_engine.zips.left_out import left_out

LIMITS = Limits(free_bytes=0)


def zip_of(folder: Path, archive: Path, top: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*.*")):
            opened.write(path, f"{top}{path.relative_to(folder)}")
    return archive


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def refusal(data: str, settings: Settings) -> str:
    """What is said, after checking that nothing of it stayed."""
    before = listing(settings.samples)
    with pytest.raises(DataError) as caught:
        load_data(data, settings)
    assert {*listing(settings.samples), "archives"} == {*before, "archives"}  # the parent itself may be new
    text = str(caught.value)
    assert str(settings.samples) not in text
    assert "\n" not in text
    assert text.endswith(".")
    return text


# --- what can be named -----------------------------------------------------------------------------------------------


def test_a_folder_is_read_where_it_lies(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    assert load_data(str(folder), settings).root == folder
    assert not settings.samples.exists()


@pytest.mark.parametrize("top", ["", "photos/", "photos/all/"])
def test_a_zip_is_unpacked_once_under_its_content(top: str, make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(), settings.runs.parent / "my photos.zip", top)
    first = load_data(str(archive), settings)
    made = {path: path.stat().st_mtime_ns for path in settings.samples.rglob("*.png")}
    assert load_data(str(archive), settings) == first
    assert {path: path.stat().st_mtime_ns for path in settings.samples.rglob("*.png")} == made
    assert first.classes == ("blue", "red")
    (folder,) = (settings.samples / "archives").iterdir()
    assert folder.name.startswith("my-photos-")


@pytest.mark.parametrize(
    "data", ["", "  ", "no such thing", "x" * 5000, "~nobody-of-this-name/x", "a\0b", "<b>bold</b>", "a\nb"]
)
def test_what_is_not_there_gets_one_sentence_with_the_samples(data: str, settings: Settings) -> None:
    text = refusal(data, settings)
    assert "the samples are digits, hymenoptera" in text
    assert len(text) < 300


def test_a_file_that_is_no_zip_is_refused(make_images: MakeImages, settings: Settings) -> None:
    assert "is no zip" in refusal(str(make_images() / "red" / "0.png"), settings)


# --- zips that cannot be trained on ----------------------------------------------------------------------------------


def test_a_zip_with_one_class_is_refused_by_its_own_name_and_leaves_nothing(
    make_images: MakeImages, settings: Settings
) -> None:
    archive = zip_of(make_images(classes=("red",)), settings.runs.parent / "photos.zip")
    assert refusal(str(archive), settings).startswith("photos.zip has one class, 'red'")
    assert listing(settings.samples) == ["archives"]


@pytest.mark.parametrize("name", ["one_class.zip", "Ein Zip – ünïcode.zip", "my\nphotos<b>.zip"])
def test_a_refusal_after_unpacking_calls_the_zip_by_its_own_name(
    name: str, make_images: MakeImages, settings: Settings
) -> None:
    archive = zip_of(make_images(classes=("red",)), settings.runs.parent / name)
    assert refusal(str(archive), settings).startswith(f"{name.replace(chr(10), '?')} has one class")


def test_a_zip_with_images_at_the_root_asks_for_folders(make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images() / "red", settings.runs.parent / "photos.zip")
    assert "make one folder per class" in refusal(str(archive), settings)
    assert listing(settings.samples) == ["archives"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_cut_zip_leaves_earlier_data_untouched(share: float, make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(), settings.runs.parent / "photos.zip")
    load_data(str(archive), settings)
    before = {path: path.read_bytes() for path in settings.samples.rglob("*.png")}
    cut = archive.with_name("cut.zip")
    cut.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    refusal(str(cut), settings)
    assert {path: path.read_bytes() for path in settings.samples.rglob("*.png")} == before


def test_visitors_with_the_same_zip_all_get_its_folder(make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(each=40), settings.runs.parent / "photos.zip")
    folders: list[Path] = []
    visit = functools.partial(unpacked, archive, settings.samples, LIMITS)
    threads = [threading.Thread(target=lambda: folders.append(visit())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert list(settings.samples.iterdir()) == [folders[0]]
    assert len(list(folders[0].rglob("*.png"))) == 80


def test_a_samples_folder_that_cannot_be_made_is_a_sentence(settings: Settings) -> None:
    (settings.runs.parent / "file").write_bytes(b"")
    blocked = replace(settings, cache=settings.runs.parent / "file" / "cache")
    with pytest.raises(DataError, match="name a folder that can be written"):
        load_data("digits", blocked)


# --- data that can be read in two ways -------------------------------------------------------------------------------


def test_a_zip_that_raises_a_question_is_kept_and_read_as_chosen(settings: Settings) -> None:
    folder = filled(settings.runs.parent / "class work", "anna/cats", "anna/dogs", "ben/cats", "ben/dogs")
    archive = str(zip_of(folder, settings.runs.parent / "photos.zip"))
    with pytest.raises(Question):
        load_data(archive, settings)
    assert len(listing(settings.samples / "archives")) == 1 + 2 + 4 + 12
    assert load_data(archive, settings, reading=Reading(layout=SPLITS)).classes == ("cats", "dogs")
    assert load_data(archive, settings, reading=Reading(layout=CLASSES)).classes == ("anna", "ben")


def test_a_layout_chosen_before_is_kept_with_the_corrections_and_one_asked_for_now_wins(settings: Settings) -> None:
    folder = filled(settings.runs.parent / "photos", "val/cats", "val/dogs", "test/cats", "test/dogs")
    kept = settings.runs.parent / "photos.json"
    Located(root=folder, layout=SPLITS).write(kept)
    assert load_data(str(kept), settings).classes == ("cats", "dogs")
    assert locate(str(kept), settings).layout == SPLITS
    assert load_data(str(kept), settings, reading=Reading(layout=CLASSES)).classes == ("test", "val")


# --- zips whose names do not say how they read -----------------------------------------------------------------------


@pytest.fixture
def doubtful(make_images: MakeImages, settings: Settings) -> Path:
    """A zip of two classes called 猫 and 狗 on a Chinese Windows."""
    folder, archive = make_images(), settings.runs.parent / "photos.zip"
    names = {"red": "猫", "blue": "狗"}
    held = {f"{names[path.parent.name]}/{path.name}".encode("gbk"): path for path in sorted(folder.rglob("*.*"))}
    archive.write_bytes(with_raw_names(held, contents=[path.read_bytes() for path in held.values()]))
    return archive


def test_a_zip_in_doubt_is_asked_about_and_taken_as_answered(doubtful: Path, settings: Settings) -> None:
    with pytest.raises(Question) as caught:
        load_data(str(doubtful), settings)
    assert listing(settings.samples) == ["archives"]
    answer = {caught.value.option: next(iter(caught.value.readings))}
    assert load_data(str(doubtful), settings, reading=Reading(**answer)).classes == ("狗", "猫")


def test_each_answer_has_a_folder_of_its_own_however_it_is_spelled(doubtful: Path, settings: Settings) -> None:
    folders = [
        unpacked(doubtful, settings.data_dir, LIMITS, reading=Reading(zip_names=n)) for n in ("gbk", "936", "cp437")
    ]
    assert folders[0] == folders[1]
    assert folders[0] != folders[2]
    assert [folder.name.rpartition("-")[0] for folder in folders] == ["photos-gbk", "photos-gbk", "photos-cp437"]


def test_an_unknown_encoding_is_refused_before_anything_is_written(doubtful: Path, settings: Settings) -> None:
    with pytest.raises(DataError, match="klingon"):
        load_data(str(doubtful), settings, reading=Reading(zip_names="klingon"))
    assert listing(settings.samples) == []


def test_a_zip_with_a_damaged_photo_is_taken_and_remembers_it(make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(), settings.runs.parent / "photos.zip")
    with zipfile.ZipFile(archive) as opened:
        first = opened.infolist()[0]
    content = bytearray(archive.read_bytes())
    content[first.header_offset + 30 + len(first.filename) + 40] ^= 0xFF
    archive.write_bytes(content)
    folder = unpacked(archive, settings.data_dir, LIMITS)
    ((file, reason),) = left_out(folder)
    assert file == first.filename
    assert "damaged in photos.zip" in reason
    assert unpacked(archive, settings.data_dir, LIMITS) == folder


# --- the host's data directory is only read --------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False], ids=["there", "missing"])
def test_nothing_is_written_into_the_data_directory(there: bool, make_images: MakeImages, settings: Settings) -> None:
    if there:
        settings.data_dir.mkdir(mode=0o500)
    load_data("digits", settings)
    load_data(str(zip_of(make_images(), settings.runs.parent / "photos.zip")), settings)
    assert settings.data_dir.exists() is there
    assert listing(settings.data_dir) == []
    assert {"digits", "archives"} <= set(listing(settings.samples))


def test_a_data_set_from_the_hub_that_an_older_version_put_there_is_found(
    make_images: MakeImages, settings: Settings
) -> None:
    settings.data_dir.mkdir()
    folder = make_images().rename(settings.data_dir / "hf--me--mine")
    assert load_data("hf:me/mine", settings).root == folder
    assert not settings.samples.exists()


def test_ctrl_c_while_unpacking_leaves_nothing_behind(make_images: MakeImages, settings: Settings) -> None:
    def interrupted(_event: Event) -> None:
        raise KeyboardInterrupt

    archive = zip_of(make_images(), settings.runs.parent / "photos.zip")
    with pytest.raises(KeyboardInterrupt):
        unpacked(archive, settings.samples, LIMITS, telling("unpacking", interrupted))
    assert listing(settings.samples) == []
