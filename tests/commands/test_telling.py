"""A training is told to its log and to a listener; whatever becomes of either, it goes on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.base.events import Event, Note
from tl_engine.commands.printing import Teller
from tl_engine.runs.run import EVENTS, Run

PROJECT = Path(__file__).resolve().parents[2]


class Listener:
    """Hears events until one of them is too much."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.heard: list[Event] = []

    def show(self, event: Event) -> None:
        self.heard.append(event)
        if self.error:
            raise self.error


def messages(run: Run) -> list[str]:
    return [event.message for event in run.events()[0] if isinstance(event, Note)]


def test_what_is_shown_is_what_was_logged(tmp_path: Path) -> None:
    listener, run = Listener(), Run(tmp_path)
    Teller(listener, run)(Note(message="one"))
    assert listener.heard == run.events()[0]
    assert listener.heard[0].at is not None


def test_before_there_is_a_run_events_are_only_shown() -> None:
    listener = Listener()
    Teller(listener)(Note(message="one"))
    assert listener.heard == [Note(message="one")]


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error"), ValueError("closed file")])
def test_a_listener_that_is_gone_is_given_up_and_the_log_goes_on(tmp_path: Path, error: Exception) -> None:
    listener, run = Listener(error), Run(tmp_path)
    tell = Teller(listener, run)
    for message in ("one", "two", "three"):
        tell(Note(message=message))
    assert messages(run) == ["one", "two", "three"]
    assert len(listener.heard) == 1


def test_a_line_that_cannot_be_shown_costs_only_itself(tmp_path: Path) -> None:
    listener, run = Listener(UnicodeEncodeError("ascii", "ä", 0, 1, "ordinal not in range")), Run(tmp_path)
    tell = Teller(listener, run)
    for message in ("ä", "two"):
        tell(Note(message=message))
    assert messages(run) == ["ä", "two"]
    assert len(listener.heard) == 2


def test_a_log_that_cannot_be_written_is_said_once_and_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listener, run = Listener(), Run(tmp_path / "run")
    tell = Teller(listener, run)
    for message in ("one", "two"):
        tell(Note(message=message))
    assert len(listener.heard) == 2
    said = capsys.readouterr().err
    assert said.startswith("The log of run cannot be written (No such file or directory)")
    assert said.count("\n") == 1
    assert str(tmp_path) not in said


@pytest.mark.skipif(not hasattr(os, "mkfifo") or not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_no_training_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    run = Run(tmp_path)
    tell = Teller(Listener(), run)
    (tmp_path / EVENTS).symlink_to("/dev/full")
    tell(Note(message="lost"))
    (tmp_path / EVENTS).unlink()
    tell(Note(message="kept"))
    assert messages(run) == ["kept"]


@pytest.mark.slow
@pytest.mark.parametrize("style", [[], ["--json"]])
def test_a_training_outlives_the_pipe_it_writes_to(make_images: MakeImages, tmp_path: Path, style: list[str]) -> None:
    command = [sys.executable, "-m", "tl_engine", "train", "--data", str(make_images()), "--epochs", "3", *style]
    command += ["--runs", str(tmp_path / "runs"), "--name", "one"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 0
    assert "Traceback" not in errors
    assert "Exception" not in errors
    assert Run(tmp_path / "runs" / "one").state() == "finished"


@pytest.mark.slow
def test_letters_that_the_terminal_lacks_end_no_training(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images()
    shutil.move(folder / "red", folder / "größe 漢字")
    command = [sys.executable, "-m", "tl_engine", "train", "--data", str(folder), "--epochs", "2"]
    command += ["--runs", str(tmp_path / "runs"), "--name", "one"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, cwd=PROJECT, env=environment, check=False)
    assert done.returncode == 0
    assert Run(tmp_path / "runs" / "one").state() == "finished"
