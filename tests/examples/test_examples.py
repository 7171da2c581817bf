"""The examples do what they say, on photos so small that it takes seconds."""

import csv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples import new_source, predict_over_http, train_in_python
from tests.conftest import MakeImages
from tests.serving import Server


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of its own for whoever names none, as a host sets them."""
    for name in ("TL_RUNS", "TL_DATA_DIR", "TL_CACHE_DIR", "TL_UPLOADS"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    yield running.start()
    running.stop()


def test_training_in_python_predicts_a_photo(
    installation: Path, make_images: MakeImages, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_images()
    code = train_in_python.main([str(photos), str(photos / "red" / "0.png"), "--name", "mine", "--epochs", "2"])
    told = capsys.readouterr().out
    assert code == 0
    assert "epoch 2 of 2" in told
    assert told.splitlines()[-2].startswith(("red: ", "blue: "))
    assert (installation / "tl_runs" / "mine" / "best").is_dir()


@pytest.mark.slow
def test_a_new_source_becomes_class_folders_and_a_run(
    installation: Path, make_images: MakeImages, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = sorted(make_images().rglob("*.png"))
    table = installation / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(
            [("photo", "class"), *((photo.relative_to(installation), photo.parent.name) for photo in photos)]
        )
    assert new_source.main([str(table), str(installation / "folders"), "--epochs", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("12 photos of blue, red\n- ")
    assert "RunEnded(" in told
    assert "state='finished'" in told


@pytest.mark.slow
def test_a_program_predicts_over_http(
    server: Server, make_images: MakeImages, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_images() / "red" / "0.png"
    assert predict_over_http.main([server.url, str(photo), "--classifier", "cats-or-dogs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(": ")[0] for line in lines} == {"cats", "dogs"}


@pytest.mark.slow
def test_what_the_page_refuses_is_its_own_sentence(server: Server, make_images: MakeImages) -> None:
    photo = make_images() / "red" / "0.png"
    with (
        httpx.Client(base_url=server.url, timeout=60) as page,
        pytest.raises(RuntimeError, match="no run or classifier"),
    ):
        predict_over_http.predicted(page, photo, "nobody's")
