"""Only regular files of a bounded size are opened; nothing waits, and every reason has its sentence."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.photos.opening import open_image, read_header

DOORS = (open_image, read_header)


def refusal(door: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        door(path)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("door", DOORS)
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(door: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    assert "photo.jpg is a pipe or a device" in refusal(door, tmp_path / "photo.jpg")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("door", DOORS)
def test_an_open_pipe_of_this_process_is_refused(door: Callable[[Path], object]) -> None:
    reading, writing = os.pipe()
    try:
        assert "is a pipe or a device" in refusal(door, Path(f"/proc/self/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize("door", DOORS)
def test_a_device_is_refused_also_behind_a_link(door: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "photo.png").symlink_to("/dev/zero")
    assert "photo.png is a pipe or a device" in refusal(door, tmp_path / "photo.png")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("door", DOORS)
def test_a_file_that_may_not_be_read_is_not_called_damaged(door: Callable[[Path], object], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert "may not be read" in refusal(door, tmp_path / "a.png")


@pytest.mark.parametrize("door", DOORS)
def test_a_file_that_the_system_cannot_open_says_why(door: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("a.jpg")
    assert "damaged" not in refusal(door, tmp_path / "a.jpg")
    assert "a.jpg cannot be read (" in refusal(door, tmp_path / "a.jpg")


def test_a_link_to_a_photo_is_a_photo(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert open_image(tmp_path / "b.png").size == (8, 8)


@pytest.mark.parametrize("door", DOORS)
def test_more_bytes_than_allowed_are_refused_from_files_and_from_memory(
    door: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "large.png").write_bytes(b"\x89PNG" + bytes(3_000_000))
    for source in (tmp_path / "large.png", io.BytesIO((tmp_path / "large.png").read_bytes())):
        with pytest.raises(ImageError, match=r"large\.png is larger than 2 MB"):
            door(source, name="large.png", most_bytes=2_000_000)
