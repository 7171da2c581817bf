"""The terminal contract of `inspect` and `take`: one json object, a readable report, a corrected copy, one sentence."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Inspected, MakeImages
from tests.inspection.test_remedies import contents
from tests.photo_trees import filled, make
from tests.sources.test_intake import zip_of
from tl_engine.__main__ import main
from tl_engine.base.settings import Limits
from tl_engine.data.mends import DROP, KEEP, RELABEL, Located, Mend
from tl_engine.data.scan import scan

Capture = pytest.CaptureFixture[str]
Inspect = Callable[..., tuple[int, str, str]]
PROJECT = Path(__file__).resolve().parents[2]
DROPPED = {"train/flower/00.jpg", "train/flower/twin.jpg", "train/temple/copy.jpg"}  # one of each is kept
UNREADABLE = {"train/temple/notes.txt", "train/flower/cut.jpg"}


@pytest.fixture
def inspect(inspected: Inspected, tmp_path: Path, capsys: Capture) -> Inspect:
    """Runs the command with the shared cache: (exit code, stdout, stderr)."""

    def run(*arguments: object, data: object = inspected.folder) -> tuple[int, str, str]:
        folders = ["--cache-dir", str(inspected.settings.cache), "--data-dir", str(tmp_path / "data")]
        code = main(["inspect", "--data", str(data), *map(str, arguments), *folders])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def as_json(output: str) -> dict[str, Any]:
    """The one object on stdout."""
    (line,) = output.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


# --- the report ------------------------------------------------------------------------------------------------------


def test_json_is_exactly_one_object_with_the_promised_keys(inspect: Inspect, inspected: Inspected) -> None:
    code, out, err = inspect("--json")
    assert (code, err) == (0, "")
    report = as_json(out)
    assert report["classes"] == {"flower": {"train": 14, "val": 5}, "temple": {"train": 12, "val": 5}}
    for key in ("left_out", "converted", "tiny"):
        assert report[key]
        assert all(set(finding) == {"file", "reason"} for finding in report[key])
    assert {finding["file"] for finding in report["left_out"]} == UNREADABLE
    assert len(report["duplicates"]) == 3
    for group in report["duplicates"]:
        assert {"files", "kind", "across_splits", "across_classes"} <= set(group)
        assert group["kind"] in ("exact", "near")
        assert all((inspected.folder / file).is_file() for file in group["files"])
    first = report["suspicious_labels"][0]
    assert set(first) == {"file", "label", "suggested", "score"}
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in report["advice"])
    assert report == json.loads(json.dumps(inspected.report.to_dict()))


def test_a_person_reads_sentences_and_lists(inspect: Inspect, inspected: Inspected) -> None:
    code, out, _ = inspect()
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["flower: 14 train, 5 val", "temple: 12 train, 5 val"]
    assert [line.removeprefix("- ") for line in lines if line.startswith("- ")] == inspected.report.advice
    assert "  train/flower/00.jpg = val/flower/twin.jpg (exact)" in lines
    assert "  train/temple/07.jpg = train/temple/copy.jpg (near)" in lines
    assert any(line.startswith("  train/temple/flipped.jpg: temple, looks like flower (0.") for line in lines)
    assert {"left out:", "tiny:", "odd:", "the same photo:", "doubtful labels:"} <= set(lines)
    assert "{" not in out


def test_long_lists_are_cut_and_counted(inspect: Inspect, make_images: MakeImages) -> None:
    code, out, _ = inspect(data=make_images(each=8))
    assert code == 0
    shown = out[out.index("tiny:\n") :].split("\n")[1:12]
    assert all(line.endswith("16 x 16 pixels: enlarged, there is little to see") for line in shown[:10])
    assert shown[10] == "  and 6 more"


def test_progress_is_json_lines_beside_the_report(inspect: Inspect, make_images: MakeImages) -> None:
    code, out, err = inspect("--json", "--progress", data=make_images(each=2, side=24))  # nobody else's photos
    assert code == 0
    assert set(as_json(out)["classes"]) == {"red", "blue"}
    events = [json.loads(line) for line in err.splitlines()]
    assert {event["kind"] for event in events} == {"progress"}
    assert {"looking at photos", "embedding photos"} <= {event["stage"] for event in events}


@pytest.mark.slow
def test_a_zip_a_sample_and_a_file_of_mends_are_inspected_like_a_folder(
    inspect: Inspect, inspected: Inspected, tmp_path: Path
) -> None:
    expected = as_json(inspect("--json")[1])
    archive = tmp_path / "photos.zip"
    assert as_json(inspect("--json", data=zip_of(inspected.folder, archive))[1]) == expected
    shutil.copytree(inspected.folder, tmp_path / "data" / "hymenoptera")
    assert as_json(inspect("--json", data="hymenoptera")[1]) == expected
    mends = (Mend(file="train/temple/flipped.jpg", action=RELABEL, name="flower"),)
    Located(root=inspected.folder, mends=mends).write(tmp_path / "mends.json")
    corrected = as_json(inspect("--json", data=tmp_path / "mends.json")[1])
    assert corrected["classes"]["flower"]["train"] == expected["classes"]["flower"]["train"] + 1


def test_a_name_that_is_no_utf8_is_reported_all_the_same(inspect: Inspect, make_images: MakeImages) -> None:
    folder = make_images(each=2)
    os.rename(folder / "blue" / "0.png", os.fsencode(folder / "blue") + b"/\xe9t\xe9.png")
    code, out, _ = inspect(data=folder)
    assert code == 0
    assert "- 4 photos are tiny: blue/1.png, blue/?t?.png, red/0.png and 1 more." in out
    assert "  blue/?t?.png: 16 x 16 pixels" in out
    files = [finding["file"] for finding in as_json(inspect("--json", data=folder)[1])["tiny"]]
    assert "blue/\udce9t\udce9.png" in files


def test_as_a_process_of_its_own_it_prints_the_object_and_nothing_else(inspected: Inspected) -> None:
    arguments = ["--data", str(inspected.folder), "--cache-dir", str(inspected.settings.cache), "--json"]
    command = [sys.executable, "-m", "tl_engine", "inspect", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=True)
    assert as_json(done.stdout) == json.loads(json.dumps(inspected.report.to_dict()))
    assert done.stderr == ""


@pytest.mark.slow
def test_the_first_time_too(inspected: Inspected, tmp_path: Path) -> None:
    arguments = [
        "--data",
        str(inspected.folder),
        "--cache-dir",
        str(tmp_path / "cache"),
        "--out",
        str(tmp_path / "out"),
    ]
    command = [sys.executable, "-m", "tl_engine", "inspect", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=True)
    report = as_json(done.stdout)
    assert len(report["duplicates"]) == 3
    assert set(contents(tmp_path / "out")) == set(contents(inspected.folder)) - DROPPED - UNREADABLE


# --- the corrected copy ----------------------------------------------------------------------------------------------


def test_out_writes_a_copy_without_duplicates_and_damaged_files_and_touches_no_original(
    inspect: Inspect, inspected: Inspected, tmp_path: Path
) -> None:
    before = contents(inspected.folder)
    times = {path: path.stat().st_mtime_ns for path in inspected.folder.rglob("*")}
    code, out, err = inspect("--json", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert len(as_json(out)["duplicates"]) == 3  # of the data as it came
    expected = {file: content for file, content in before.items() if file not in DROPPED | UNREADABLE}
    assert contents(tmp_path / "out") == expected
    assert contents(inspected.folder) == before
    assert {path: path.stat().st_mtime_ns for path in inspected.folder.rglob("*")} == times
    assert scan(tmp_path / "out", Limits()).counts()["flower"] == {"train": 12, "val": 5}
    code, out, _ = inspect("--json", data=tmp_path / "out")
    assert (code, as_json(out)["duplicates"], as_json(out)["left_out"]) == (0, [], [])


def test_out_keeps_to_what_was_corrected_by_hand(inspect: Inspect, inspected: Inspected, tmp_path: Path) -> None:
    mends = (
        Mend(file="train/temple/flipped.jpg", action=RELABEL, name="flower"),
        Mend(file="train/temple/00.jpg", action=DROP),
        Mend(file="train/temple/01.jpg", action=KEEP),
    )
    Located(root=inspected.folder, mends=mends).write(tmp_path / "mends.json")
    code, _, _ = inspect("--json", "--out", tmp_path / "out", data=tmp_path / "mends.json")
    assert code == 0
    written = set(contents(tmp_path / "out"))
    assert "train/flower/flipped.jpg" in written
    assert "train/temple/01.jpg" in written
    assert not {"train/temple/flipped.jpg", "train/temple/00.jpg"} & written


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "nowhere"], "There is no folder, zip or sample 'nowhere'"),
        (["--data", ""], "There is no folder, zip or sample"),
        (["--architecture", "resnet"], "Unknown architecture 'resnet'"),
        (["--architecture", "small_vgg"], "small_vgg has no pretrained weights"),
        (["--limits", "{"], "limits must be json with whole numbers for some of archive_bytes, image_bytes"),
        (["--limits", '{"speed": 9}'], "limits must be json with whole numbers for some of archive_bytes"),
        (["--limits", '{"images": 5}'], "has more than 5 images"),
        (["--out", "."], "is not empty: name a new one with --out"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_wrong_arguments_are_one_sentence_and_nothing_is_printed(
    arguments: list[str], sentence: str, inspect: Inspect, tmp_path: Path
) -> None:
    code, out, err = inspect("--json", *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_a_copy_into_the_data_set_is_refused_and_changes_nothing(inspect: Inspect, inspected: Inspected) -> None:
    before = contents(inspected.folder)
    code, out, err = inspect("--json", "--out", inspected.folder / "train" / "clean")
    assert (code, out) == (2, "")
    assert "lies inside of the data set" in err
    assert contents(inspected.folder) == before
    assert not (inspected.folder / "train" / "clean").exists()


def test_the_weights_of_a_hosts_folder_are_those_that_judge(
    inspect: Inspect, make_images: MakeImages, tmp_path: Path
) -> None:
    """A damaged file there shows that nothing else is taken in its place."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "efficientnet_lite0.pth").write_bytes(b"no weights")
    code, out, err = inspect("--json", "--weights-dir", tmp_path / "weights", data=make_images(each=2))
    assert (code, out) == (2, "")
    assert "efficientnet_lite0.pth" in err
    assert len(err.strip().splitlines()) == 1


# --- take ------------------------------------------------------------------------------------------------------------


def test_take_unpacks_a_zip_and_prints_the_folders_name(
    make_images: MakeImages, tmp_path: Path, capsys: Capture
) -> None:
    archive = zip_of(make_images(), tmp_path / "my photos.zip")
    assert main(["take", str(archive), "--into", str(tmp_path / "into"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (folder,) = (tmp_path / "into").iterdir()
    assert told == {"folder": folder.name}
    assert scan(folder, Limits()).counts() == {"blue": {"train": 6}, "red": {"train": 6}}


def test_take_tells_its_progress_to_a_program(make_images: MakeImages, tmp_path: Path, capsys: Capture) -> None:
    archive = zip_of(make_images(), tmp_path / "photos.zip")
    assert main(["take", str(archive), "--into", str(tmp_path / "into"), "--json", "--progress"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {event["stage"] for event in events} == {"unpacking"}
    assert events[-1]["done"] == events[-1]["total"]


@pytest.mark.parametrize("limits", ["{}", '{"images": 5}', '{"unpacked_bytes": 100}', '{"person_bytes": 0}'])
def test_take_refuses_what_is_no_zip_or_too_much_and_leaves_nothing(
    limits: str, make_images: MakeImages, tmp_path: Path, capsys: Capture
) -> None:
    archive = zip_of(make_images(), tmp_path / "photos.zip")
    if limits == "{}":
        archive.write_text("<html>")
    assert main(["take", str(archive), "--into", str(tmp_path / "into"), "--limits", limits, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert not list((tmp_path / "into").rglob("*")) or not (tmp_path / "into").exists()


# --- what is found, and how it is read -------------------------------------------------------------------------------


def test_the_report_counts_junk_and_names_a_folder_left_out_with_its_files(inspect: Inspect, tmp_path: Path) -> None:
    folder = filled(tmp_path / "photos", "train/cats", "train/dogs", "test/cats", "test/dogs", "to predict")
    make(folder, ["train/@eaDir/1.jpg", "train/cats/Thumbs.db"])
    code, out, _ = inspect("--json", data=folder)
    report = as_json(out)
    assert (code, report["junk"]) == (0, 2)
    assert [(found["file"], found["files"]) for found in report["left_out"]] == [("to predict", 3)]


def test_two_readings_are_refused_with_the_option_that_chooses_one(inspect: Inspect, tmp_path: Path) -> None:
    folder = filled(tmp_path / "photos", "anna/cats", "anna/dogs", "ben/cats", "ben/dogs")
    code, out, err = inspect("--json", data=folder)
    assert (code, out) == (2, "")
    assert "--layout splits" in err
    assert err.count("\n") == 1
    code, out, _ = inspect("--json", "--layout", "splits", data=folder)
    assert (code, set(as_json(out)["classes"])) == (0, {"cats", "dogs"})


@pytest.mark.parametrize("limits", ['{"images":"x"}', '{"images":-1}', '{"images":true}', '{"photos":1}', "[1]", "{"])
def test_limits_that_are_none_are_one_sentence(limits: str, inspect: Inspect) -> None:
    code, out, err = inspect("--limits", limits)
    assert (code, out) == (2, "")
    assert err.startswith("limits must be json with whole numbers for some of ")
    assert err.count("\n") == 1


def test_a_files_name_cannot_forge_a_line_of_the_report(inspect: Inspect, make_images: MakeImages) -> None:
    folder = make_images(each=4)
    (folder / "red" / "x\nred: 900 train\x1b[2J.png").write_bytes(b"no picture")
    code, out, _ = inspect(data=folder)
    assert code == 0
    assert "red: 900 train" not in out.splitlines()
    assert "red/x?red: 900 train?[2J.png" in out
    assert "\x1b" not in out
