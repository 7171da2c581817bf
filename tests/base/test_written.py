"""Paths and files as people write them, through every way in."""

import json
import shutil
from pathlib import Path

import pytest

from app import parse
from tests.conftest import MakeImages
from tl_engine.__main__ import main
from tl_engine.backbones.architectures import get_architecture
from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_json, written_path
from tl_engine.data.mends import Located
from tl_engine.networks.preprocessing import preprocess_for
from tl_engine.runs.find import classifier_folder
from ui.serving.access import settings_for

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
FOLDERS = ("runs", "data_dir", "weights_dir", "cache_dir")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and a working directory in which nobody may make a folder called ~."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


# --- a leading ~ -----------------------------------------------------------------------------------------------------


def test_a_tilde_is_home_and_what_stands_elsewhere_is_a_letter(home: Path) -> None:
    assert written_path("~/x") == home / "x"
    assert written_path("a~b") == Path.cwd() / "a~b"


@pytest.mark.parametrize("text", ["", "~nobody-of-this-name/x", "a\0b", "x" * 5000, "猫" * 90])
def test_what_can_be_no_path_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="names no folder"):
        written_path(text)


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "a\0b"])
def test_settings_refuse_what_can_be_no_path(text: str) -> None:
    with pytest.raises(ConfigError, match="names no folder"):
        Settings.make(cache_dir=text)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("joined", [True, False], ids=["with =", "with a space"])
def test_the_pages_flags_know_home(folder: str, joined: bool, home: Path) -> None:
    flag = f"--{folder.replace('_', '-')}"
    arguments = parse([f"{flag}=~/x"] if joined else [flag, "~/x"])
    assert getattr(settings_for(arguments), "cache" if folder == "cache_dir" else folder) == home / "x"


@pytest.mark.parametrize("name", ["runs", "data_dir", "weights_dir", "cache_dir", "uploads"])
def test_variables_know_home(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TL_{name.upper()}", "~/x")
    assert getattr(Settings.make(), "cache" if name == "cache_dir" else name) == home / "x"


@pytest.mark.slow
def test_every_option_of_a_training_knows_home(home: Path, make_images: MakeImages) -> None:
    make_images().rename(home / "photos")
    options = {"data": "~/photos", "runs": "~/runs", "data-dir": "~/data", "cache-dir": "~/cache", "epochs": 1}
    (home / "config.json").write_text(json.dumps(options))
    assert main(["train", "--config=~/config.json", "--name", "one", "--json"]) == 0
    assert (home / "runs" / "one" / "best" / "meta.json").is_file()
    assert list(Path.cwd().iterdir()) == []
    assert classifier_folder("~/runs/one", Settings()) == home / "runs" / "one" / "best"
    photo = "~/photos/red/0.png"
    assert main(["predict", "~/runs/one", photo, "--json"]) == 0
    assert main(["stop", "~/runs/one"]) == 0
    assert main(["runs", "--runs=~/runs"]) == 0


def test_what_inspect_and_take_write_goes_home(home: Path, make_images: MakeImages) -> None:
    make_images(each=3).rename(home / "photos")
    assert main(["inspect", "--data=~/photos", "--out=~/mended", "--cache-dir=~/cache", "--json"]) == 0
    assert len(list((home / "mended").rglob("*.png"))) == 6
    shutil.make_archive(str(home / "zipped"), "zip", home / "photos")
    assert main(["take", "~/zipped.zip", "--into=~/taken"]) == 0
    assert len(list((home / "taken").rglob("*.png"))) == 6
    assert list(Path.cwd().iterdir()) == []


# --- files saved by any editor ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_read_as_any_editor_saves_it(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_bytes('{"data": "Größe 猫 😀"}'.encode(encoding))
    assert written_json(file) == {"data": "Größe 猫 😀"}


NO_JSON = {"empty": b"", "cut": b"{", "half a letter": b"\xff\xfe\x00", "latin-1": b"\xe4", "deep": b"[" * 100_000}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_told_in_a_few_words(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"\w") as caught:
        written_json(file)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ValueError, match="directory"):
        written_json(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_every_file_that_people_write_may_come_from_windows(
    encoding: str, tmp_path: Path, make_images: MakeImages, capsys: pytest.CaptureFixture[str]
) -> None:
    def saved(name: str, values: object) -> Path:
        (tmp_path / name).write_bytes(json.dumps(values).encode(encoding))
        return tmp_path / name

    config = saved("config.json", {"data": str(make_images()), "epochs": 0})
    assert main(["train", "--config", str(config), "--runs", str(tmp_path / "runs")]) == 2
    assert "epochs must lie between" in capsys.readouterr().err  # so the file was read
    numbers = {"resize": 70, "crop": 64, "mean": [0.5] * 3, "std": [0.5] * 3}
    assert preprocess_for(get_architecture("resnet18"), saved("resnet18.json", numbers)).resize == 70
    mends = saved("mends.json", {"format": 1, "root": str(tmp_path / "colours"), "mends": []})
    assert Located.read(mends).root == tmp_path / "colours"
