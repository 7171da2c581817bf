"""The terminal contract of understanding a run: predict's verdicts, report, compare, explain, lab."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.ended_runs import ended_run
from tests.conftest import MakeImages
from tl_engine.__main__ import main
from tl_engine.base.settings import Settings
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig

Capture = pytest.CaptureFixture[str]
Command = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def command(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command with folders of its own: (exit code, json lines of stdout, stderr)."""
    monkeypatch.setenv("TL_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        code = main([*map(str, arguments), "--runs", str(tmp_path / "runs"), "--json"])
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


@pytest.mark.slow
def test_report_prints_one_object_and_a_page(command: Command, make_images: MakeImages, tmp_path: Path) -> None:
    command("train", "--data", make_images(each=8), "--name", "one")
    code, (report,), _ = command("report", "one", "--html", tmp_path / "report.html", "--repeats", 2)
    assert code == 0
    assert (report["judged"], report["photos"]) == ("folds", 16)
    assert report["accuracy"] == sum(report["confusion"][i][i] for i in range(2)) / 16
    low, high = report["interval"]
    assert low <= report["accuracy"] <= high
    assert {"per_class", "temperature", "log_loss", "calibration_error", "sentences"} <= set(report)
    assert len(report["repeats"]["accuracies"]) == 2
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.slow
def test_predict_says_whether_to_believe_it(command: Command, make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images(each=8)
    command("train", "--data", folder, "--name", "one")
    Image.effect_noise((200, 200), 120).save(tmp_path / "noise.png")
    code, rows, _ = command("predict", "one", folder / "red" / "0.png", tmp_path / "noise.png", "--raw")
    assert code == 0
    assert rows[0]["verdict"] == "ok"
    assert rows[0]["nearest"][0] == "red/0.png"
    assert len(rows[0]["nearest"]) == 5
    assert set(rows[0]["raw"]) == {"blue", "red"}
    assert rows[1]["verdict"] == "unlike"


@pytest.mark.slow
def test_a_classifier_without_its_photos_still_predicts(
    command: Command, make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images()
    command("train", "--data", folder, "--name", "one")
    shutil.rmtree(tmp_path / "runs" / "one" / "report")
    _, (row,), _ = command("predict", "one", folder / "red" / "0.png")
    assert row["nearest"] == []
    code, rows, said = command("report", "one")
    assert (code, rows) == (2, [])
    assert "train again" in said


@pytest.mark.slow
def test_explain_draws_where_the_evidence_lies(command: Command, make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    command("train", "--data", folder, "--name", "one")
    code, (told,), _ = command("explain", "one", folder / "red" / "0.png", "--out", tmp_path / "why.png")
    assert code == 0
    assert told["class"] == "red"
    assert told["peak"] is None or all(0 <= share <= 1 for share in told["peak"])
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.size == (224, 224)
    code, _, said = command("explain", "one", folder / "red" / "0.png", "--out", tmp_path / "why.png", "--class", "cat")
    assert code == 2
    assert "no class 'cat'" in said


@pytest.mark.slow
def test_compare_says_same_answers(command: Command, make_images: MakeImages) -> None:
    folder = make_images()
    for name in ("one", "two"):
        command("train", "--data", folder, "--name", name)
    code, (found,), _ = command("compare", "one", "two")
    assert code == 0
    assert (found["p_value"], found["photos"], found["only_a"], found["only_b"]) == (1.0, 12, 0, 0)
    assert found["verdict"] == "same answers"
    assert found["settings"] == []


def test_compare_tells_what_differs_and_why_there_is_no_verdict(command: Command, settings: Settings) -> None:
    for name, data in (("one", "digits"), ("two", "hymenoptera")):
        run = queue.create(TrainConfig(data=data, epochs=3 if name == "one" else 50), settings, name)
        run.ask_to_stop()
    code, (found,), said = command("compare", "one", "two")
    assert (code, said) == (1, "")
    assert (found["verdict"], found["first"]["state"]) == (None, "stopped")
    assert found["sentence"].startswith("The first of these trainings left no judged photos")
    assert {row["setting"]: row["words"] for row in found["settings"]} == {
        "data": ["digits", "hymenoptera"], "epochs": ["3", "50 (default)"],
    }  # fmt: skip
    code, rows, said = command("compare", "one", "three")
    assert (code, rows) == (2, [])
    assert "no run 'three'" in said


def test_compare_reads_well_without_json(settings: Settings, capsys: Capture) -> None:
    for number in (0, 12):
        ended_run(settings, number)
    first, second = (f"{number:032x}" for number in (0, 12))
    assert main(["compare", first, second, "--runs", str(settings.runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The first is better: they differ on 12 of 152 photos")
    assert lines[1] == "the first:  152 of 152 right (97.5 % to 100.0 %)"
    assert lines[2] == "the second: 140 of 152 right (86.7 % to 95.4 %)"
    assert "  epochs: 8 (default) | 10" in lines


@pytest.mark.slow
def test_train_judges_by_a_split_where_asked(command: Command, make_images: MakeImages) -> None:
    folder = make_images(each=10)
    _, events, _ = command("train", "--data", folder, "--judge", "split", "--optimizer", "lbfgs", "--epochs", 3)
    read = next(event for event in events if event["kind"] == "data_read")
    assert (read["judge"], read["counts"]["red"]) == ("val", {"train": 8, "val": 2})
    code, _, said = command("train", "--data", folder, "--judge", "folds", "--optimizer", "adamw")
    assert code == 2
    assert "judge folds" in said


@pytest.mark.slow
def test_a_lab_is_resumed(command: Command, make_images: MakeImages, tmp_path: Path) -> None:
    asked = ("lab", "--data", make_images(each=6), "--strategies", "feature-extraction,from-scratch", "--epochs", 2)
    code, (found,), told = command(*asked)
    assert code == 0
    assert found["rows"][0]["strategy"] == "feature-extraction"
    assert {"accuracy", "interval", "seconds", "learnt", "bytes"} <= set(found["rows"][0])
    assert len(found["verdicts"]) == 1
    assert "known already" not in told
    before = {run.name for run in (tmp_path / "runs").glob("lab-*")}
    _, (again,), told = command(*asked)
    assert told.count("known already") == 2
    assert again["rows"] == found["rows"]
    assert {run.name for run in (tmp_path / "runs").glob("lab-*")} == before
