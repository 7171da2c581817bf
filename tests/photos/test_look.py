"""What a look at one photo tells, and that its tones hardly move while the photo stays the same."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiles import tile
from tl_engine.inspection.duplicates import ALIKE
from tl_engine.photos.look import Look, look_at, tones_of

PHOTO = tile("flower", 8).resize((120, 90))


def likeness(one: str, other: str) -> float:
    """How the tones of two pictures correlate."""
    return float(np.corrcoef(list(bytes.fromhex(one)), list(bytes.fromhex(other)))[0, 1])


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    PHOTO.save(path, "JPEG", exif=exif)


def animated(path: Path) -> None:
    PHOTO.quantize(256).save(path, "GIF", save_all=True, append_images=[PHOTO.rotate(90).quantize(256)])


def see_through(path: Path) -> None:
    transparent = PHOTO.convert("RGBA")
    transparent.putalpha(100)
    transparent.save(path, "PNG")


def test_a_plain_photo_is_described_and_nothing_had_to_be_changed(tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.jpg")
    look = look_at(tmp_path / "photo.jpg")
    assert look == Look(width=120, height=90, format="JPEG", tones=look.tones)
    assert len(bytes.fromhex(look.tones)) == 256


@pytest.mark.parametrize(
    ("save", "told"),
    [
        (lambda path: PHOTO.convert("CMYK").save(path, "JPEG"), ["CMYK, colours of print"]),
        (lambda path: PHOTO.quantize(16).save(path, "PNG"), ["a palette of few colours"]),
        (lambda path: PHOTO.convert("1").save(path, "PNG"), ["black and white only"]),
        (lambda path: PHOTO.convert("L").save(path, "PNG"), []),
        (lambda path: Image.new("I;16", (30, 20), 40_000).save(path, "PNG"), ["more than 8 bits a pixel"]),
        (see_through, ["transparent, laid over white"]),
        (turned, ["rotated as its camera noted"]),
        (animated, ["a palette of few colours", "animated, first frame taken"]),
        # A phone's second picture in the file (MPO) is no film.
        (lambda path: PHOTO.save(path, "MPO", save_all=True, append_images=[PHOTO]), []),
    ],
    ids=["cmyk", "palette", "two colours", "grey", "16 bits", "alpha", "rotated", "animated", "mpo"],
)
def test_what_had_to_be_converted_is_said(save: Callable[[Path], None], told: list[str], tmp_path: Path) -> None:
    save(tmp_path / "photo")
    look = look_at(tmp_path / "photo")
    assert list(look.converted) == told
    assert look.problem == ""
    assert look.tones


def test_the_size_is_the_files_own_even_if_the_camera_turned_it(tmp_path: Path) -> None:
    turned(tmp_path / "turned.jpg")
    look = look_at(tmp_path / "turned.jpg")
    assert (look.width, look.height) == (120, 90)
    PHOTO.rotate(-90, expand=True).save(tmp_path / "upright.jpg")
    assert likeness(look.tones, look_at(tmp_path / "upright.jpg").tones) > ALIKE


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_but_upright_is_a_turn(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    PHOTO.save(tmp_path / "photo.jpg", exif=exif)
    assert bool(look_at(tmp_path / "photo.jpg").converted) is (orientation in (2, 3, 4, 5, 6, 7, 8))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_photo_cut_short_is_a_problem_in_one_sentence(share: float, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    PHOTO.save(path, quality=95)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    look = look_at(path)
    assert look == Look(problem=look.problem)
    assert look.problem.startswith("photo.jpg is ")
    assert look.problem.endswith(".")
    assert str(tmp_path) not in look.problem


def test_what_is_no_photo_or_not_there_is_a_problem_too(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    assert "text.jpg is not a picture" in look_at(tmp_path / "text.jpg").problem
    assert "gone.jpg is not there" in look_at(tmp_path / "gone.jpg").problem


def test_tones_are_the_greys_of_16_by_16_fields_row_by_row() -> None:
    fields = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.fromarray(np.kron(fields, np.ones((4, 4), np.uint8))).convert("RGB")
    assert bytes.fromhex(tones_of(picture)) == bytes(range(256))
    assert bytes.fromhex(tones_of(Image.new("RGB", (70, 64), (255, 0, 0)))) == bytes([76] * 256)  # red's luminance


@pytest.mark.parametrize("number", [1, 2, 8, 13, 18, 23])
def test_a_copy_has_the_tones_of_its_photo_and_a_mirrored_one_does_not(number: int, tmp_path: Path) -> None:
    photo = tile("temple", number)
    photo.save(tmp_path / "photo.png")
    photo.resize((71, 71)).save(tmp_path / "copy.jpg", quality=60)
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    tones = {path.stem: look_at(path).tones for path in tmp_path.iterdir()}
    assert likeness(tones["photo"], tones["copy"]) > ALIKE
    assert likeness(tones["photo"], tones["mirrored"]) < ALIKE


def white_on_clear(path: Path) -> None:
    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    picture.paste((255, 255, 255, 255), (8, 8, 24, 24))
    picture.save(path, "PNG")


@pytest.mark.parametrize(
    ("save", "blank"),
    [
        (lambda path: Image.new("RGB", (64, 48), "green").save(path, "JPEG"), True),
        (lambda path: Image.new("L", (640, 480), 255).save(path, "PNG"), True),
        (white_on_clear, True),
        (lambda path: PHOTO.save(path, "PNG"), False),
        (lambda path: Image.linear_gradient("L").save(path, "PNG"), False),
    ],
    ids=["green", "white", "white on clear", "photo", "gradient"],
)
def test_one_colour_everywhere_is_blank(save: Callable[[Path], None], blank: bool, tmp_path: Path) -> None:
    save(tmp_path / "photo")
    assert look_at(tmp_path / "photo").blank is blank


def test_a_look_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    turned(tmp_path / "turned.jpg")
    look = look_at(tmp_path / "turned.jpg")
    assert Look(**json.loads(json.dumps(dataclasses.asdict(look)))) == look
