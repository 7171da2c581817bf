"""Pictures as people name them: one, a folder, a pattern that no shell expanded."""

import json
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.__main__ import main
from tl_engine.base.errors import ImageError
from tl_engine.sources.named_pictures import named_pictures


@pytest.fixture
def photos(make_images: MakeImages) -> Path:
    """Two classes of two photos, what systems leave behind, and a text."""
    folder = make_images(each=2)
    for name in ("red/._0.png", "__MACOSX/red/0.png", ".hidden.png", "red/.thumbnails/0.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"junk")
    (folder / "notes.txt").write_text("no picture")
    (folder / "red" / "1.png").rename(folder / "red" / "1.PNG")
    return folder


def names(found: object, folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in found]  # type: ignore[attr-defined]


def test_a_folder_is_its_pictures_at_any_depth_without_junk(photos: Path) -> None:
    found = named_pictures(str(photos))
    assert names(found.pictures, photos) == ["blue/0.png", "blue/1.png", "red/0.png", "red/1.PNG"]
    assert names(found.others, photos) == ["notes.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("red/*.png", ["red/0.png"]),
        ("**/0.*", ["blue/0.png", "red/0.png"]),
        ("red/?.[Pp][Nn][Gg]", ["red/0.png", "red/1.PNG"]),
        ("re*", ["red/0.png", "red/1.PNG"]),
    ],
)
def test_a_pattern_is_what_a_shell_makes_of_it(pattern: str, expected: list[str], photos: Path) -> None:
    assert names(named_pictures(f"{photos}/{pattern}").pictures, photos) == expected


def test_a_picture_whose_name_looks_like_a_pattern_is_itself(photos: Path) -> None:
    odd = (photos / "red" / "0.png").rename(photos / "red" / "0 [1].png")
    assert named_pictures(str(odd)).pictures == [odd]


@pytest.mark.parametrize(
    "name", ["*.jpg", "none/**/*.png", "empty", "absent.png", "~nobody-of-this-name/x", "x" * 5000, "a\0b"]
)
def test_what_names_no_picture_is_one_sentence(name: str, photos: Path) -> None:
    (photos / "empty").mkdir()
    with pytest.raises(ImageError) as caught:
        named_pictures(name if name.startswith("~") else f"{photos}/{name}")
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 160


@pytest.mark.slow
def test_predict_takes_all_of_these_and_names_what_stands_for_nothing(
    photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    code = main(["predict", "imagenet", "colours/blue", "colours/red/*.png", "*.jpg", "colours/red/0.png", "--json"])
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert code == 1
    assert [row["file"] for row in rows] == [
        "colours/blue/0.png", "colours/blue/1.png", "colours/red/0.png", "*.jpg", "colours/red/0.png"
    ]  # fmt: skip
    assert ["error" in row for row in rows] == [False, False, False, True, False]
    assert main(["predict", "imagenet", "colours", "--json"]) == 0
    assert "notes.txt" in capsys.readouterr().err
