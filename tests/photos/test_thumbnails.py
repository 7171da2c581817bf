"""Thumbnails: small, upright, made once, and never more of them than the cache may hold."""

import dataclasses
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.tiles import tile
from tl_engine.base.errors import ImageError
from tl_engine.base.settings import Settings
from tl_engine.photos.thumbnails import LONGEST, MOST, SIDE, thumbnail


def photo(path: Path, width: int = 640, height: int = 480) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tile("flower", 8).resize((width, height)).save(path, quality=95)
    return path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "JPEG"
        return image.size


@pytest.mark.parametrize(
    ("whole", "small"),
    [
        ((640, 480), (213, SIDE)),
        ((480, 640), (SIDE, 213)),
        ((320, 320), (SIDE, SIDE)),
        ((100, 80), (100, 80)),  # never enlarged
        ((2000, 200), (LONGEST, SIDE)),
        ((200, 2000), (SIDE, LONGEST)),
    ],
    ids=str,
)
def test_a_thumbnail_is_small_and_panoramas_are_cut(
    whole: tuple[int, int], small: tuple[int, int], settings: Settings, tmp_path: Path
) -> None:
    path = thumbnail(photo(tmp_path / "photo.jpg", *whole), settings)
    assert path.is_relative_to(settings.cache / "thumbnails")
    assert size(path) == small
    assert path.stat().st_size < 40_000


def test_a_panorama_is_cut_to_its_middle(settings: Settings, tmp_path: Path) -> None:
    panorama = Image.new("RGB", (1600, 160), "blue")
    panorama.paste("red", (600, 0, 1000, 160))
    panorama.save(tmp_path / "wide.png")
    with Image.open(thumbnail(tmp_path / "wide.png", settings)) as small:
        reds = [small.convert("RGB").getpixel((x, 80)) for x in (2, 160, 317)]
    assert all(isinstance(pixel, tuple) and pixel[0] > 200 > 60 > pixel[2] for pixel in reds)


def test_a_photo_its_camera_turned_is_upright(settings: Settings, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    tile("flower", 8).resize((640, 480)).save(tmp_path / "turned.jpg", exif=exif)
    assert size(thumbnail(tmp_path / "turned.jpg", settings)) == (SIDE, 213)


def test_a_thumbnail_is_made_once_and_again_when_the_photo_changed(settings: Settings, tmp_path: Path) -> None:
    path = photo(tmp_path / "photo.bmp")
    first = thumbnail(path, settings)
    first.write_bytes(b"as it was made")  # made again, this would be gone
    assert thumbnail(path, settings) == first
    assert first.read_bytes() == b"as it was made"
    os.utime(path, (1, 1))  # as large as before, but not as old
    second = thumbnail(path, settings)
    assert second != first
    assert size(second) == (213, SIDE)


def test_photos_of_the_same_name_in_two_folders_have_each_their_own(settings: Settings, tmp_path: Path) -> None:
    one, other = photo(tmp_path / "a" / "1.jpg"), photo(tmp_path / "b" / "1.jpg", 300, 300)
    for path in (one, other):
        os.utime(path, (1, 1))
    assert size(thumbnail(one, settings)) != size(thumbnail(other, settings))


def test_a_name_that_is_no_utf8_has_a_thumbnail_too(settings: Settings, tmp_path: Path) -> None:
    path = photo(tmp_path / "photo.jpg").rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9t\xe9.jpg")))
    assert size(thumbnail(path, settings)) == (213, SIDE)


@pytest.mark.parametrize("content", [b"", b"no picture", None], ids=["empty", "text", "gone"])
def test_what_cannot_be_read_is_a_sentence_and_leaves_nothing(
    content: bytes | None, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        thumbnail(path, settings)
    assert "photo.jpg" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert not list(settings.cache.rglob("*.*"))


def test_a_cache_that_takes_nothing_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    blocked = dataclasses.replace(settings, cache=tmp_path / "file")
    (tmp_path / "file").write_text("")
    path = photo(tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match=r"no preview of photo\.jpg") as caught:
        thumbnail(path, blocked)
    assert str(tmp_path) not in str(caught.value)


def test_when_a_folder_is_full_the_older_half_goes(settings: Settings, tmp_path: Path) -> None:
    path = photo(tmp_path / "photo.jpg")
    small = thumbnail(path, settings)
    small.unlink()
    full = MOST // 256
    for age in range(full):
        old = small.parent / f"{age:04d}.jpg"
        old.write_bytes(b"")
        os.utime(old, (1_000_000 - age, 1_000_000 - age))
    thumbnail(path, settings)
    left = {old.name for old in small.parent.iterdir()}
    assert left == {small.name, *(f"{age:04d}.jpg" for age in range(full - full // 2))}  # the newer ones
