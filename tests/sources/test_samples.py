"""The built-in data sets: made whole or not at all, even, and refused in one sentence without a network."""

import functools
import io
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.base.test_download import closed_port, serving
from tests.conftest import MakeImages
from tests.sources.test_intake import listing
from tl_engine.base.errors import DataError
from tl_engine.base.settings import Settings
from tl_engine.sources.intake import load_data
from tl_engine.sources.samples import SAMPLES, make_hymenoptera, sample_folder, tree_hash

HYMENOPTERA = SAMPLES["hymenoptera"]


# --- digits ----------------------------------------------------------------------------------------------------------


def test_the_digits_are_written_once_and_whole(settings: Settings) -> None:
    data = load_data("digits", settings)
    assert len(data.records) == 1797
    assert data.classes == tuple("0123456789")
    assert listing(settings.samples)[0] == "digits"
    assert not [name for name in os.listdir(settings.samples) if name.startswith(".")]  # noqa: PTH208
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
    assert str(settings.samples) not in str(caught.value)
    assert listing(settings.samples) == []


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
    assert folder == settings.samples / "hymenoptera"
    assert os.listdir(settings.samples) == ["hymenoptera"]  # noqa: PTH208
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    data = load_data("hymenoptera", settings)
    assert data.counts() == {"ants": {"train": 1, "val": 1}, "bees": {"train": 1, "val": 1}}


@pytest.mark.parametrize("content", [ARCHIVE, b"<html>Sign in to the network</html>", b""], ids=["zip", "html", "none"])
def test_hymenoptera_with_another_hash_is_refused_and_leaves_nothing(content: bytes, settings: Settings) -> None:
    with serving(answering(content)) as url, pytest.raises(DataError, match="arrived changed or damaged: try again"):
        from_server(url, "0badc0de", settings)
    assert listing(settings.samples) == []


def test_an_unreachable_hymenoptera_is_one_sentence_within_seconds(settings: Settings) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        from_server(f"http://127.0.0.1:{closed_port()}/x.zip", "0badc0de", settings)
    assert time.perf_counter() - started < 5
    text = str(caught.value)
    assert "127.0.0.1 cannot be reached from here" in text
    assert "use the sample digits" in text
    assert ". " not in text
    assert listing(settings.samples) == []


def test_a_tree_hash_follows_bytes_and_names_but_not_what_wraps_them(tmp_path: Path) -> None:
    for top in ("a", "b/wrapped"):
        (tmp_path / top / "train" / "ants").mkdir(parents=True)
        (tmp_path / top / "train" / "ants" / "1.jpg").write_bytes(b"1")
    assert tree_hash(tmp_path / "a") == tree_hash(tmp_path / "b")
    (tmp_path / "b" / "wrapped" / "train" / "ants" / "1.jpg").write_bytes(b"2")
    assert tree_hash(tmp_path / "a") != tree_hash(tmp_path / "b")
