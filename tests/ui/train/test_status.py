"""What the page says of a run: silence is said, an estimate is hidden meanwhile, every ending has its cause."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ui.test_page import OWNER, a_run, ended, epoch, shown
from tests.vitals.test_pulse import silent_since
from tl_engine.base.events import BatchEnd, Event, Note, RunStarted
from tl_engine.base.settings import SHARED, Settings
from tl_engine.commands import lists
from tl_engine.runs.run import PROCESS, Run
from tl_engine.vitals.farewell import FROM_OUTSIDE
from tl_engine.vitals.limits import time_up
from tl_engine.vitals.pulse import ALIVE, Pulse
from ui.train.form import TrainForm
from ui.train.run_view import EventReader, view
from ui.train.status import status_html

BATCH = BatchEnd(epoch=3, batch=2, batches=10, loss=0.5, seconds_left=780.0)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return Settings(runs=tmp_path / "runs", cache=tmp_path / "cache", uploads=tmp_path / "uploads")


def at_work(settings: Settings, number: int) -> Run:
    run = a_run(settings, "one")
    run.record_process(number)
    run.log(RunStarted(run_folder="x", config={"architecture": "a", "strategy": "s", "epochs": 9}, process_id=1))
    run.log(BATCH)
    return run


def test_a_silent_run_says_so_without_an_estimate_and_recovers_in_silence(here: Settings) -> None:
    reader = EventReader()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        run = at_work(here, process.pid)
        before = view(run, here, reader)
        assert "about 13 min 0 s left" in status_html(before)
        silent_since(run, 41)
        quiet = view(run, here, reader)
        assert quiet.version != before.version  # else no page would ask for it, as nothing new is in the log
        words = status_html(quiet)
        assert "No news from the training process for more than 30 s, since " in words
        assert "left" not in words
        assert view(run, here, reader).version == quiet.version  # nothing to draw anew with each look
        Pulse(run).beat()
        after = view(run, here, reader)
        assert after.version == before.version
        assert "about 13 min 0 s left" in status_html(after)
        assert (run.folder / ALIVE).exists()
        process.kill()


def test_what_is_shown_changes_only_with_its_version(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(here, "one")
    for events in (
        [],
        [Note(message="x")],
        [RunStarted(run_folder="x", config={}, process_id=1, resumed_from=2, at=5.0)],
    ):
        one = status_html(shown(run, "running", *events))
        monkeypatch.setattr("time.time", lambda: 4e9)
        assert status_html(shown(run, "running", *events)) == one
        monkeypatch.undo()


def test_who_waits_reads_the_place_and_a_wait_where_anybody_knows(here: Settings) -> None:
    waiting = shown(a_run(here, "one"), "queued", place=2)
    assert "2 trainings before this one; it starts by itself." in status_html(waiting)
    foretold = dataclasses.replace(waiting, wait=150)
    assert "2 trainings before this one, about 2 min 30 s; it starts by itself." in status_html(foretold)
    assert foretold.version != waiting.version


@pytest.mark.parametrize(
    ("state", "events", "words"),
    [
        ("stopped", [epoch(2), ended("stopped", FROM_OUTSIDE)], "Ended from outside (SIGTERM), as by a shutdown"),
        (
            "stopped",
            [epoch(2), ended("stopped", time_up(10))],
            "The 10 minutes that this page gives a training are over",
        ),
        ("stopped", [ended("stopped", FROM_OUTSIDE, None)], "Ended from outside (SIGTERM)"),
        ("failed", [ended("failed", "The disk is full: make room.", None)], "The disk is full: make room."),
    ],
)
def test_an_ending_says_its_cause(state: str, events: list[Event], words: str, here: Settings) -> None:
    assert words in status_html(shown(a_run(here, "one"), state, *events))


def test_page_and_terminal_give_an_interrupted_run_the_same_cause(
    here: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(here, "one", workspace=OWNER)
    (run.folder / PROCESS).write_text(json.dumps({"pid": 999_999, "created": 1.0, "after": 0}))
    run.log(epoch(4))
    (run.folder / "died.json").write_text(json.dumps({"pid": 999_999, "status": -9, "memory": True}))
    os.utime(run.folder / "events.jsonl")
    cause = "the memory was full, so the system ended it"
    assert f"The training process died at epoch 4: {cause}" in status_html(shown(run, "interrupted", epoch(4)))
    arguments = type("Arguments", (), {"runs": str(here.runs), "json": False})
    lists.runs_command(arguments)  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "interrupted" in printed
    assert cause in printed


def test_the_form_of_a_shared_page_names_what_it_gives_and_one_at_home_says_nothing(
    here: Settings,
) -> None:
    import gradio as gr

    said = []
    for settings in (dataclasses.replace(here, limits=SHARED), here):
        with gr.Blocks() as blocks:
            TrainForm(settings)
        said.append([b for b in blocks.blocks.values() if getattr(b, "elem_id", None) == "limits"])
    assert "at most 30 epochs and 10 minutes" in said[0][0].value  # type: ignore[union-attr]
    assert said[1] == []
