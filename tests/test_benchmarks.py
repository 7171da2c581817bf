"""The benchmarks run to their end on tiny data, every row of them, and the table judges as it says."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import squeezenet1_1

from benchmarks.lesson import Lesson
from benchmarks.table import ALL_ROWS, ROWS, markdown
from tests.serving import PROJECT


def make_folders(folder: Path) -> list[str]:
    """Tiny photos and random weights, as arguments."""
    for split in ("train", "val"):
        for label, colour in (("blue", (20, 20, 180)), ("red", (180, 20, 20))):
            (folder / "data" / split / label).mkdir(parents=True)
            for index in range(4):
                picture = Image.new("RGB", (90, 70), tuple(channel + 9 * index for channel in colour))
                picture.save(folder / "data" / split / label / f"{index}.jpg")
    (folder / "weights").mkdir()
    torch.save(squeezenet1_1(weights=None).state_dict(), folder / "weights" / "squeezenet1_1.pth")
    place = ["--data", str(folder / "data"), "--weights-dir", str(folder / "weights")]
    return [*place, "--architecture", "squeezenet1_1"]


@pytest.mark.slow
def test_every_row_is_measured(tmp_path: Path) -> None:
    arguments = [*make_folders(tmp_path), "--small", "--large", "--accuracy", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.endswith(("| yes |", "| no |"))]
    assert len(lines) == len(ALL_ROWS)


@pytest.mark.slow
def test_in_a_small_lesson_nobody_goes_without(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path, pupils=4, each=5, pause=0.5)
    try:
        lesson.hold()
        assert lesson.classifiers() == 4, [pupil.troubles for pupil in lesson.pupils]
        assert not lesson.in_wrong_hands()
        assert all(pupil.asked == 4 for pupil in lesson.pupils)
    finally:
        lesson.server.stop()


@pytest.mark.parametrize(("seconds", "reached"), [(10.0, "yes"), (11.0, "no")])
def test_the_loop_must_be_fifteen_times_slower(seconds: float, reached: str) -> None:
    samples = {"our command": [seconds, 1.0, 99.0], "textbook loop": [150.0, 150.0, 150.0]}
    assert list(markdown(ROWS[:1], samples))[-1].endswith(f"| {reached} |")


def test_the_faster_precision_is_the_floor() -> None:
    samples = {"our engine, cold": [2.0], "floor in float32": [1.9], "floor in bfloat16": [1.0]}
    line = list(markdown(ROWS[1:2], samples))[-1]
    assert "floor in bfloat16: 1 s" in line
    assert line.endswith("| 2.00 times | at most 1.40 times | no |")
