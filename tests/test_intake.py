"""From what a person names to a checked folder: samples, folders, zips, and nothing left behind when refused."""

import functools
import io
import os
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import MakeImages
from tests.test_download import closed_port, serving
from tl_engine.errors import DataError
from tl_engine.intake import SAMPLES, load_data, make_hymenoptera, sample_folder, tree_hash, unpacked
from tl_engine.settings import Limits, Settings

LIMITS = Limits(free_bytes=0)
HYMENOPTERA = SAMPLES["hymenoptera"]


def zip_of(folder: Path, archive: Path, top: str = "") -> Path:
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(folder.rglob("*.*")):
            opened.write(path, f"{top}{path.relative_to(folder)}")
    return archive


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def refusal(data: str, settings: Settings) -> str:
    """What is said, after checking that the data directory is as it was."""
    before = listing(settings.data_dir)
    with pytest.raises(DataError) as caught:
        load_data(data, settings)
    assert {*listing(settings.data_dir), "archives"} == {*before, "archives"}  # the parent itself may be new
    text = str(caught.value)
    assert str(settings.data_dir) not in text
    assert "\n" not in text
    assert text.endswith(".")
    return text


# --- what can be named -----------------------------------------------------------------------------------------------


def test_a_folder_is_read_where_it_lies(make_images: MakeImages, settings: Settings) -> None:
    folder = make_images()
    assert load_data(str(folder), settings).root == folder
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("top", ["", "photos/", "photos/all/"])
def test_a_zip_is_unpacked_once_under_its_content(top: str, make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(), settings.runs.parent / "my photos.zip", top)
    first = load_data(str(archive), settings)
    made = {path: path.stat().st_mtime_ns for path in settings.data_dir.rglob("*.png")}
    assert load_data(str(archive), settings) == first
    assert {path: path.stat().st_mtime_ns for path in settings.data_dir.rglob("*.png")} == made
    assert first.classes == ("blue", "red")
    (folder,) = (settings.data_dir / "archives").iterdir()
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
    assert refusal(str(archive), settings).startswith("photos has one class, 'red'")
    assert listing(settings.data_dir) == ["archives"]


def test_a_zip_with_images_at_the_root_asks_for_folders(make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images() / "red", settings.runs.parent / "photos.zip")
    assert "make one folder per class" in refusal(str(archive), settings)
    assert listing(settings.data_dir) == ["archives"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_cut_zip_leaves_earlier_data_untouched(share: float, make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(), settings.runs.parent / "photos.zip")
    load_data(str(archive), settings)
    before = {path: path.read_bytes() for path in settings.data_dir.rglob("*.png")}
    cut = archive.with_name("cut.zip")
    cut.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    refusal(str(cut), settings)
    assert {path: path.read_bytes() for path in settings.data_dir.rglob("*.png")} == before


def test_visitors_with_the_same_zip_all_get_its_folder(make_images: MakeImages, settings: Settings) -> None:
    archive = zip_of(make_images(each=40), settings.runs.parent / "photos.zip")
    folders: list[Path] = []
    visit = functools.partial(unpacked, archive, settings.data_dir, LIMITS)
    threads = [threading.Thread(target=lambda: folders.append(visit())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert list(settings.data_dir.iterdir()) == [folders[0]]
    assert len(list(folders[0].rglob("*.png"))) == 80


def test_a_data_directory_that_cannot_be_made_is_a_sentence(settings: Settings) -> None:
    (settings.runs.parent / "file").write_bytes(b"")
    blocked = replace(settings, data_dir=settings.runs.parent / "file" / "data")
    with pytest.raises(DataError, match="name another data directory"):
        load_data("digits", blocked)


# --- digits ----------------------------------------------------------------------------------------------------------


def test_the_digits_are_written_once_and_whole(settings: Settings) -> None:
    data = load_data("digits", settings)
    assert len(data.records) == 1797
    assert data.classes == tuple("0123456789")
    assert listing(settings.data_dir)[0] == "digits"
    assert not [name for name in os.listdir(settings.data_dir) if name.startswith(".")]  # noqa: PTH208
    times = {record.path: record.path.stat().st_mtime_ns for record in data.records}
    load_data("digits", settings)
    assert {record.path: record.path.stat().st_mtime_ns for record in data.records} == times


def test_a_sample_that_fails_midway_leaves_nothing(settings: Settings) -> None:
    def fail(folder: Path, _on_progress: object) -> None:
        (folder / "0").mkdir(parents=True)
        (folder / "0" / "1.png").write_bytes(b"half")
        raise OSError(28, "No space left on device", str(folder))

    with pytest.raises(DataError) as caught:
        sample_folder(replace(SAMPLES["digits"], make=fail), settings)
    assert "No space left on device" in str(caught.value)
    assert str(settings.data_dir) not in str(caught.value)
    assert listing(settings.data_dir) == []


# --- hymenoptera -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hymenoptera", "hymenoptera_data"])
def test_a_hymenoptera_folder_in_the_data_directory_is_used_as_it_is(
    name: str, make_images: MakeImages, settings: Settings
) -> None:
    settings.data_dir.mkdir()
    make_images(classes=("ants", "bees")).rename(settings.data_dir / name)
    data = load_data("hymenoptera", settings)
    assert data.root == settings.data_dir / name
    assert data.classes == ("ants", "bees")


def small_hymenoptera() -> bytes:
    """The archive's layout with tiny pictures: a top folder, train and val, ants and bees, what macOS adds."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for index, name in enumerate(("train/ants", "train/bees", "val/ants", "val/bees")):
            picture = io.BytesIO()
            Image.fromarray(np.full((16, 16, 3), 40 * index, np.uint8)).save(picture, "JPEG")
            opened.writestr(f"hymenoptera_data/{name}/{index}.jpg", picture.getvalue())
        opened.writestr("__MACOSX/hymenoptera_data/._train", b"junk")
    return buffer.getvalue()


ARCHIVE = small_hymenoptera()


def tree_of_archive(folder: Path) -> str:
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as opened:
        opened.extractall(folder, [n for n in opened.namelist() if not n.startswith("__")])
    return tree_hash(folder)


def from_server(url: str, tree: str, settings: Settings, told: Callable[[int, int], None] | None = None) -> Path:
    return sample_folder(
        replace(HYMENOPTERA, make=functools.partial(make_hymenoptera, url=url, tree=tree)), settings, told
    )


def answering(content: bytes) -> Callable[..., None]:
    def reply(handler: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return reply


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def test_hymenoptera_is_downloaded_checked_and_kept(settings: Settings, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    tree = tree_of_archive(tmp_path / "elsewhere")
    with serving(answering(ARCHIVE)) as url:
        folder = from_server(url, tree, settings, lambda done, total: told.append((done, total)))
    assert folder == settings.data_dir / "hymenoptera"
    assert os.listdir(settings.data_dir) == ["hymenoptera"]  # noqa: PTH208
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    data = load_data("hymenoptera", settings)
    assert data.counts() == {"ants": {"train": 1, "val": 1}, "bees": {"train": 1, "val": 1}}


@pytest.mark.parametrize("content", [ARCHIVE, b"<html>Sign in to the network</html>", b""], ids=["zip", "html", "none"])
def test_hymenoptera_with_another_hash_is_refused_and_leaves_nothing(content: bytes, settings: Settings) -> None:
    with serving(answering(content)) as url, pytest.raises(DataError, match="arrived changed or damaged: try again"):
        from_server(url, "0badc0de", settings)
    assert listing(settings.data_dir) == []


def test_an_unreachable_hymenoptera_is_one_sentence_within_seconds(settings: Settings) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        from_server(f"http://127.0.0.1:{closed_port()}/x.zip", "0badc0de", settings)
    assert time.perf_counter() - started < 5
    text = str(caught.value)
    assert "127.0.0.1 cannot be reached from here" in text
    assert "use the sample digits" in text
    assert ". " not in text
    assert listing(settings.data_dir) == []


def test_a_tree_hash_follows_bytes_and_names_but_not_what_wraps_them(tmp_path: Path) -> None:
    for top in ("a", "b/wrapped"):
        (tmp_path / top / "train" / "ants").mkdir(parents=True)
        (tmp_path / top / "train" / "ants" / "1.jpg").write_bytes(b"1")
    assert tree_hash(tmp_path / "a") == tree_hash(tmp_path / "b")
    (tmp_path / "b" / "wrapped" / "train" / "ants" / "1.jpg").write_bytes(b"2")
    assert tree_hash(tmp_path / "a") != tree_hash(tmp_path / "b")
