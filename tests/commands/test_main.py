"""The terminal contract: commands, json, exit codes, one sentence for what is wrong."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.conftest import MakeImages
from tl_engine.__main__ import main
from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.base.errors import ImageError
from tl_engine.networks.models import blank_model
from tl_engine.runs.run import Run
from tl_engine.sources.named_pictures import named_pictures

Capture = pytest.CaptureFixture[str]
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(tmp_path: Path, capsys: Capture) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
    """Runs a command with --json and folders of its own: (exit code, json lines of stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        folders = ["--runs", str(tmp_path / "runs")]
        if arguments[0] in ("train", "resume"):
            folders += ["--data-dir", str(tmp_path / "data")]
        code = main([*map(str, arguments), *folders, "--json"])
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


def test_train_tells_events_and_ends_with_run_ended(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    code, events, _ = command("train", "--data", make_images(), "--epochs", 3, "--name", "one")
    assert code == 0
    epochs = [e for e in events if e["kind"] == "epoch_end"]
    assert [e["epoch"] for e in epochs] == [1, 2, 3]
    assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy"} <= set(epochs[0])
    last = events[-1]
    assert last["kind"] == "run_ended"
    assert last["state"] == "finished"
    assert Path(last["run_folder"]) == tmp_path / "runs" / "one"
    assert 0 <= last["best_val_accuracy"] <= 1
    logged = (tmp_path / "runs" / "one" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in logged] == events


@pytest.mark.slow
def test_predict_names_what_failed_and_goes_on(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images()
    command("train", "--data", folder, "--epochs", 6, "--name", "one")
    (tmp_path / "bad.jpg").write_text("no picture")
    code, rows, _ = command("predict", "one", folder / "red" / "0.png", tmp_path / "bad.jpg", folder / "blue" / "0.png")
    assert code == 1
    assert max(rows[0]["probabilities"], key=rows[0]["probabilities"].get) == "red"
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "not a picture" in rows[1]["error"]
    assert max(rows[2]["probabilities"], key=rows[2]["probabilities"].get) == "blue"
    code, rows, _ = command("predict", "one", folder / "red" / "0.png", "--top", 1)
    assert (code, len(rows[0]["probabilities"])) == (0, 1)


def test_imagenet_names_what_the_default_backbone_sees(command: Callable[..., Any]) -> None:
    import sklearn.datasets

    flower = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
    code, rows, _ = command("predict", "imagenet", flower)
    assert code == 0
    assert len(rows[0]["probabilities"]) == 1000
    assert next(iter(rows[0]["probabilities"])) == "palace"


@pytest.mark.slow
def test_config_file_and_flags_meet_and_flags_win(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"data": str(make_images()), "epochs": 5, "batch-size": 4, "name": "from-file"}))
    code, events, _ = command("train", "--config", file, "--epochs", 1)
    assert code == 0
    assert events[0]["config"]["epochs"] == 1
    assert events[0]["config"]["batch_size"] == 4
    assert events[-1]["run_folder"].endswith("from-file")


@pytest.mark.slow
def test_runs_lists_states(command: Callable[..., Any], make_images: MakeImages) -> None:
    command("train", "--data", make_images(), "--epochs", 1, "--name", "one")
    code, rows, _ = command("runs")
    assert code == 0
    assert [(row["name"], row["state"]) for row in rows] == [("one", "finished")]


def test_architectures_say_what_works_here(capsys: Capture) -> None:
    assert main(["architectures", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["efficientnet_lite0"]["available"] is True
    assert set(rows["resnet18"]) == {"name", "label", "available", "source", "image_size", "parameters"}
    assert rows["inception_v3"]["image_size"] == 299


WRONG = [
    (["--epochs", "0"], "epochs must lie between 1 and 10000, got 0."),
    (["--epochs", "many"], "epochs must be a whole number, got 'many'."),
    (["--learning-rate", "-1"], "learning-rate must be a number above 0"),
    (["--architecture", "resnet"], "Unknown architecture 'resnet'"),
    (["--strategy", "magic"], "strategy must be one of"),
    (["--preset", "magic"], "preset must be one of tutorial, blog"),
    (["--name", "../out"], "run's name"),
    (["--data", "nowhere"], "There is no folder, zip or sample"),
    (["--data", ""], "data is empty"),
    (["--config", "nowhere.json"], "The config file 'nowhere.json' is not there: check the path."),
    (["--config", "."], "The config file '.' is a folder: name the json file in it."),
    (["--config", ""], "'' names no folder or file here"),
    (["--config", __file__], "is not readable json"),
    (["--architecture", "small_vgg"], "small_vgg has no pretrained weights"),
    (["--architecture", "timm:nonsense"], "timm knows no model 'nonsense'"),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=lambda value: " ".join(value)[:40])
def test_wrong_settings_are_one_sentence_and_make_no_folder(
    arguments: list[str], sentence: str, command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    code, events, error = command("train", "--data", make_images(), *arguments)
    assert (code, events) == (2, [])
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_an_existing_name_is_refused_and_left_alone(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images()
    command("train", "--data", folder, "--epochs", 1, "--name", "one")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    code, _, error = command("train", "--data", folder, "--epochs", 1, "--name", "one")
    assert code == 2
    assert "already there" in error
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").rglob("*") if p.is_file()} == before


def test_a_zip_that_is_none_leaves_nothing(command: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_text("<html>")
    code, _, error = command("train", "--data", tmp_path / "photos.zip")
    assert code == 2
    assert "photos.zip is no zip" in error
    assert not (tmp_path / "runs").exists()
    assert not list((tmp_path / "data").rglob("*.*"))


@pytest.mark.parametrize(
    "arguments", [["predict", "nope", "x.jpg"], ["stop", "nope"], ["resume", "nope"], ["predict", ".", "x.jpg"]]
)
def test_a_run_that_is_none_is_one_sentence(arguments: list[str], capsys: Capture, tmp_path: Path) -> None:
    code = main([*arguments, "--runs", str(tmp_path)])
    error = capsys.readouterr().err
    assert code == 2
    assert len(error.strip().splitlines()) == 1


def test_runs_in_a_file_are_one_sentence(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert main(["runs", "--runs", str(tmp_path / "file")]) == 2
    assert capsys.readouterr() == ("", "file is no folder: name the folder of the runs.\n")


def test_an_empty_name_is_no_classifier_and_no_picture(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("not asked for.png")
    assert main(["predict", "", "x.jpg"]) == 2
    assert capsys.readouterr().err == "'' names no folder or file here: write its whole path.\n"
    with pytest.raises(ImageError, match="'' is not there: check the path"):
        named_pictures("")


def test_a_refusal_is_one_line_whatever_the_folder_is_called(capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "a\nfinished\x1b[2J"
    folder.mkdir()
    assert main(["train", "--data", str(folder), "--runs", str(tmp_path / "runs")]) == 2
    assert capsys.readouterr().err.strip().isprintable()


@pytest.mark.slow
def test_a_stopped_run_goes_on_from_the_terminal(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    options = ["--epochs", 3, "--name", "one", "--strategy", "from-scratch", "--architecture", "timm:test_efficientnet"]
    command("train", "--data", make_images(), *options)
    run = Run(tmp_path / "runs" / "one")
    lines = (run.folder / "events.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"run_ended"' not in line and '"epoch": 3' not in line]
    (run.folder / "events.jsonl").write_text("".join(kept))  # as one that was killed in its third epoch
    assert run.state() == "running"  # it is this process's
    (run.folder / "process.json").unlink()
    os.utime(run.folder / "events.jsonl", (0, 0))
    assert run.state() == "interrupted"
    code, events, _ = command("resume", "one")
    assert code == 0
    assert events[0]["resumed_from"] == 2
    assert [e["epoch"] for e in events if e["kind"] == "epoch_end"] == [3]
    assert events[-1]["state"] == "finished"
    code, events, error = command("resume", "one")
    assert (code, events) == (2, [])
    assert "is finished, there is nothing to go on with" in error


@pytest.mark.slow
def test_a_run_whose_photos_or_weights_are_gone_is_refused_and_unchanged(
    command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    command("train", "--data", make_images(), "--epochs", 2, "--name", "one")
    run = Run(tmp_path / "runs" / "one")
    run.log(dataclasses.replace(run.ended(), state="stopped"))  # type: ignore[type-var]
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    shutil.rmtree(tmp_path / "colours")
    code, events, error = command("resume", "one")
    assert (code, events) == (2, [])
    assert "There is no folder, zip or sample 'colours'" in error
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before
    config = json.loads((run.folder / "config.json").read_text()) | {"architecture": "squeezenet1_1"}
    (run.folder / "config.json").write_text(json.dumps(config))
    code, events, error = command("resume", "one")
    assert (code, events) == (2, [])
    assert "The weights of squeezenet1_1 cannot be had here" in error
    assert len(error.strip().splitlines()) == 1


def test_unknown_options_are_one_sentence(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_code:
        main(["train", "--speed", "9"])
    assert exit_code.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_interrupted_from_the_keyboard_it_keeps_the_best_and_says_130(make_images: MakeImages, tmp_path: Path) -> None:
    options = ["--data", str(make_images()), "--epochs", "10000", "--runs", str(tmp_path / "runs"), "--name", "one"]
    command = [sys.executable, "-m", "tl_engine", "train", *options, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        if '"epoch_end"' in line and not last:
            os.kill(process.pid, signal.SIGINT)
        last = line if '"epoch_end"' in line or '"run_ended"' in line else last
    process.stdout.close()
    assert process.wait(10) == 130
    assert json.loads(last)["state"] == "stopped"
    assert (tmp_path / "runs" / "one" / "best" / "meta.json").is_file()


@pytest.mark.slow
def test_without_json_the_log_reads_like_text(make_images: MakeImages, tmp_path: Path, capsys: Capture) -> None:
    options = ["--runs", str(tmp_path / "runs"), "--name", "one", "--epochs", "1"]
    assert main(["train", "--data", str(make_images()), *options]) == 0
    out = capsys.readouterr().out
    assert "2 of 149 tensors" in out
    assert "epoch 1/1" in out
    assert "{" not in out


def test_a_picture_upright_in_training_is_upright_in_prediction(command: Callable[..., Any], tmp_path: Path) -> None:
    sideways = tmp_path / "sideways.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.linear_gradient("L").convert("RGB")
    picture.save(sideways, exif=exif, quality=100, subsampling=0)
    picture.rotate(-90).save(tmp_path / "upright.jpg", quality=100, subsampling=0)
    _, rows, _ = command("predict", "imagenet", sideways, tmp_path / "upright.jpg")
    first, second = (row["probabilities"] for row in rows)
    assert max(abs(first[name] - second[name]) for name in first) < 0.02


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "0 bytes"),
        (b"<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        ("resnet18", "squeezenet1_1.pth holds ResNet-18, not SqueezeNet 1.1"),
    ],
)
def test_a_weight_file_that_is_none_is_told_before_a_folder_is_made(
    content: bytes | str, sentence: str, command: Callable[..., Any], make_images: MakeImages, tmp_path: Path
) -> None:
    file = tmp_path / "host" / "squeezenet1_1.pth"
    file.parent.mkdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(blank_model(ARCHITECTURES[content]).state_dict(), file)
    options = ["--architecture", "squeezenet1_1", "--weights-dir", file.parent]
    code, events, error = command("train", "--data", make_images(), *options)
    assert (code, events) == (2, [])
    assert sentence in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
