"""Printing: letters an encoding lacks, listeners that are gone, and bars that stand before a refusal."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeImages
from tl_engine.__main__ import main
from tl_engine.base.events import FileSkipped, Note, Progress
from tl_engine.commands.printing import FINISHED, UNHEARD, JsonLines, Printer, ReadableLog, prepare_streams

PROJECT = Path(__file__).resolve().parents[2]
LETTERS = "猫 Größe 😀 \udcff"


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """stdout is a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_letters_that_cannot_be_shown_are_escaped_and_json_stays_json(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    prepare_streams()
    print(json.dumps({"class": LETTERS}, ensure_ascii=False), flush=True)
    assert json.loads(written.getvalue().decode(encoding)) == {"class": LETTERS}


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("command", ["architectures", "runs"])
def test_a_closed_pipe_is_a_quiet_end(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text("{}")
    monkeypatch.setenv("TL_RUNS", str(tmp_path))
    assert main([command, "--json"]) in (FINISHED, UNHEARD)


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("printer", [JsonLines(), ReadableLog()], ids=["json", "readable"])
def test_a_training_is_told_on_to_nobody(printer: Printer) -> None:
    for _ in range(3):
        printer.show(Note(message="still at work"))
    printer.close()


def test_a_refusal_begins_a_line(make_images: MakeImages, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A bar without an end stands on the last line: it is taken away first."""
    folder = make_images(each=2)
    (folder / "red" / "0.png").write_bytes(b"no picture")
    (folder / "red" / "1.png").write_bytes(b"no picture")
    code = main(["inspect", "--data", str(folder), "--cache-dir", str(tmp_path / "cache")])
    *_, last = capfd.readouterr().err.replace("\r", "\n").splitlines()
    assert code == 2
    assert "it/s" not in last


def test_closing_a_log_takes_its_bar_away() -> None:
    log = ReadableLog()
    log.show(Progress(stage="looking", done=1, total=2))
    log.close()
    assert log.bar is None


LISTED = "set -o pipefail; {python} -m tl_engine {command} | head -1"


def piped(command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    shell = ["bash", "-c", LISTED.format(python=sys.executable, command=command)]
    return subprocess.run(shell, capture_output=True, text=True, cwd=PROJECT, env=os.environ | environment, check=False)


@pytest.mark.parametrize("command", ["architectures", "train --help"])
def test_head_sees_one_line_and_nothing_is_said_at_the_end(command: str) -> None:
    done = piped(command, PYTHONUNBUFFERED="1")
    assert done.returncode in (0, UNHEARD)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.slow
def test_head_of_a_prediction_is_quiet(make_images: MakeImages) -> None:
    done = piped(f"predict imagenet {make_images(each=40)}")
    assert done.returncode == UNHEARD
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.slow
def test_a_training_goes_on_behind_a_closed_pipe_and_in_letters_that_cannot_be_shown(
    make_images: MakeImages, tmp_path: Path
) -> None:
    folder = make_images(classes=("red", "blue"))
    (folder / "red").rename(folder / "猫")
    options = f"--data {folder} --runs {tmp_path / 'runs'} --name one --epochs 40"
    done = piped(f"train {options}", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert '"state": "finished"' in (tmp_path / "runs" / "one" / "events.jsonl").read_text().splitlines()[-1]


def test_a_files_name_does_not_move_the_cursor_of_whoever_reads_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    ReadableLog().show(FileSkipped(file="a\x1b[2J\nfinished.png", reason="is empty"))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
