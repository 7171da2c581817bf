"""HEIC and AVIF: decoded like all others, in a process whose end is nobody else's."""

import base64
import io
import threading
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tl_engine.base.errors import ImageError
from tl_engine.photos.apart import Decoders
from tl_engine.photos.formats import PhotoFormat, format_of
from tl_engine.photos.opening import open_image, read_header

# 64 x 48 pixels, made with pillow-heif 1.8: four colours; a right half that is clear; grey of 10 bits.
HEIC = {
    "plain": "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAO8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAPdtZGF0AAAA6ygBrw7g1esASXr9TNv/+GH5D5a6+YGgKJW5h/Tf6X3aJ/+pkWD7cMja/mETlDNrqqTBqdFHNZFv5iif/Ah//4Slc2Lwnmx9QSf8z1/37t+XXIo+8wn8d/UcJed2IpHsldc375z+N4PgP4d4yuv2CSJM42re78WcQhduyYr/iKdZ8wfO9xsUTgtOmsSGAM6FFj3+QnInAofuMRYgDmPDiWo0JF4ooc/xd8tlObxuNjUttAY/CLQGfk2MmgpfEkB3fDe3o9ICz44yZ73iED3bg9n7vs8pI3ssbZlNl/RI6jN9E+h6DyVnL2Kb+MA=",  # noqa: E501
    "clear": "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAmttZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAACjwABAAAAAAAAABcAAgAAAAACpgABAAAAAAAAALkAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAABqmlwcnAAAAGCaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAHBodmNDAQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQIAAADAJ/4AAADAAAeugJAYQABACVCAQEECAAAAwCf+AAAAwAAHsCCBBZbq5Ka5sCAAAAMgAAAAwCEYgABAAZEAcFzwIkAAAAOcGl4aQAAAAABCAAAACdhdXhDAAAAAHVybjptcGVnOmhldmM6MjAxNTphdXhpZDoxAAAAACBpcG1hAAAAAAAAAAIAAQWBAgMFhAACBYYDB4iEAAAAGmlyZWYAAAAAAAAADmF1eGwAAgABAAEAAADYbWRhdAAAABMoAa8O4FhmNaE6/7i3bg1SaT98AAAAtSgBrh3Aifw/4T/UhxYOH/3x1/FklcWHYbnj2FsNaI4dP/Qu847ivXIH3/4uBoTzMEnd5dZw5+ze36eYYZP/lcDk1RQyBwoI5QC7o2jr2FYojX/de73/DQ7z/g/ib/6VP/lzZlt/zqbpoqSrYNU6tbwd+WF2oxqTLjL/9fi6TivoJ2IWtO2p/ujicjaC/uMvyi7D3kCJfXxtQdQFEVHCHjKjJ95/RI9pedjzmMrXyTbN33JhKYA=",  # noqa: E501
    "deep": "AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAXdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABmwABAAAAAAAAABQAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA92lwcnAAAADXaXBjbwAAAHJodmNDAQQIAAAAnfgAAAAAHvAA/Pz6+gAADwNgAAEAF0ABDAH//wQIAAADAJ34AAADAAAeugJAYQABACdCAQEECAAAAwCd+AAAAwAAHsCCBBNlurkprmwIAAADAMgAAAMACEBiAAEABkQBwXPAiQAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAQAAAAAEAAAAwAAAAAQAAAAAAAAAC////8AAAAAIAAAAOcGl4aQAAAAABCgAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAABxtZGF0AAAAECgBrh3Aifw/4T88IWoX4cA=",  # noqa: E501
}
DECODERS = Decoders()
PLAIN, CLEAR, DEEP = (base64.b64decode(text) for text in HEIC.values())


def avif(image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "AVIF", speed=10, **options)
    return content.getvalue()


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    seen = image.getpixel(at)
    assert isinstance(seen, tuple)
    return max(abs(one - other) for one, other in zip(seen, colour, strict=True)) < 16


def kind_of(content: bytes) -> PhotoFormat:
    kind = format_of(content)
    assert kind is not None
    return kind


def processes() -> list[psutil.Process]:
    """What decodes for this process."""
    return [child for child in psutil.Process().children() if any("apart" in word for word in child.cmdline())]


def test_a_heic_photo_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.jpg").write_bytes(PLAIN)
    header, image = read_header(tmp_path / "IMG_1.jpg"), open_image(tmp_path / "IMG_1.jpg")
    assert (header.format, header.width, header.height, header.transparent) == ("HEIF", 64, 48, False)
    assert (image.mode, image.size) == ("RGB", (64, 48))
    corners = {(8, 8): (220, 20, 20), (56, 8): (20, 200, 20), (8, 40): (20, 20, 220), (56, 40): (220, 220, 20)}
    assert all(near(image, at, colour) for at, colour in corners.items())


def test_clear_parts_of_heic_turn_white_and_deep_grey_keeps_its_grey() -> None:
    clear, deep = open_image(io.BytesIO(CLEAR)), open_image(io.BytesIO(DEEP))
    assert read_header(io.BytesIO(CLEAR)).transparent
    assert near(clear, (8, 24), (40, 40, 40))
    assert near(clear, (56, 24), (255, 255, 255))
    assert read_header(io.BytesIO(DEEP)).deep
    assert near(deep, (32, 24), (156, 156, 156))


def test_an_avif_is_upright_small_and_over_white() -> None:
    stored = Image.new("RGBA", (96, 64), (40, 40, 40, 0))
    stored.paste((220, 20, 20, 255), (0, 0, 48, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO(avif(stored, exif=exif))
    header, image = read_header(content), open_image(content, short_side=32)
    assert (header.format, header.width, header.height) == ("AVIF", 96, 64)
    assert header.turned
    assert header.transparent
    assert image.size == (32, 48)
    assert near(image, (16, 8), (220, 20, 20))
    assert near(image, (16, 40), (255, 255, 255))


def test_an_avif_film_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green")]
    content = io.BytesIO(avif(frames[0], save_all=True, append_images=frames[1:]))
    assert read_header(content).animated
    assert near(open_image(content), (16, 16), (255, 0, 0))


@pytest.mark.parametrize("content", [PLAIN, avif(Image.effect_noise((120, 90), 50))], ids=["HEIC", "AVIF"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_one_cut_short_is_named_and_refused(content: bytes, share: float, tmp_path: Path) -> None:
    (tmp_path / "cut.heic").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=r"cut\.heic is (cut short|damaged)"):
        open_image(tmp_path / "cut.heic")


def test_a_file_that_only_begins_like_heic_is_damaged_at_every_door(tmp_path: Path) -> None:
    fake = tmp_path / "IMG_0.HEIC"
    fake.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500))
    for door in (open_image, read_header):
        with pytest.raises(ImageError, match=r"IMG_0\.HEIC is damaged"):
            door(fake)


def test_a_heic_that_claims_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    forged = PLAIN.replace(b"ispe\0\0\0\0\0\0\0\x40\0\0\0\x40", b"ispe\0\0\0\0\0\0\x75\x30\0\0\x75\x30")
    for content in (forged, forged.replace(b"clap", b"free")):  # also where a small part of them is shown
        for door in (open_image, read_header):
            with pytest.raises(ImageError, match="50 megapixels, the most taken of a HEIC"):
                door(io.BytesIO(content))


def test_one_process_serves_many_photos_and_a_killed_one_is_replaced() -> None:
    before = len(processes())
    for _ in range(3):
        DECODERS.decode(PLAIN, kind_of(PLAIN), "a.heic", None)
    assert len(processes()) <= before + 1
    for process in processes():
        process.kill()
        process.wait()
    assert DECODERS.decode(PLAIN, kind_of(PLAIN), "a.heic", None).size == (64, 48)


def test_a_process_killed_at_work_costs_its_photo_only() -> None:
    slow, refusals = Decoders(), []  # it has no process yet
    before = {process.pid for process in processes()}

    def decode() -> None:
        try:
            slow.decode(PLAIN, kind_of(PLAIN), "a.heic", None)
        except ImageError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=decode)
    thread.start()
    while not (new := [process for process in processes() if process.pid not in before]):
        time.sleep(0.001)
    new[0].kill()  # while it still starts
    thread.join()
    assert len(refusals) == 1
    assert refusals[0].startswith("a.heic is damaged")
    assert slow.decode(PLAIN, kind_of(PLAIN), "b.heic", None).size == (64, 48)


def test_a_process_that_takes_too_long_is_ended() -> None:
    impatient = Decoders(seconds=0.01)
    with pytest.raises(ImageError, match=r"slow\.heic is damaged"):
        impatient.decode(PLAIN, kind_of(PLAIN), "slow.heic", None)


def test_many_threads_share_the_processes() -> None:
    sizes: list[tuple[int, int]] = []
    kind = kind_of(PLAIN)
    threads = [
        threading.Thread(target=lambda: sizes.append(DECODERS.decode(PLAIN, kind, "a", 24).size)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(32, 24)] * 6
