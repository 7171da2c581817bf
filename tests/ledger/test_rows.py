"""Rows of the list: what they say, and that a run which goes on or is changed is read anew."""

import os
from pathlib import Path

import pytest

from benchmarks.ended_runs import EACH, ended_run
from tl_engine.base.files import folder_bytes
from tl_engine.base.settings import Settings
from tl_engine.ledger import rows
from tl_engine.ledger.rows import bytes_of, row_of
from tl_engine.runs import queue, titles
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.run import GO_ON, Run


def settle(run: Run) -> None:
    """As if its folders had not changed for a minute."""
    for folder in (run.folder, *(path for path in run.folder.rglob("*") if path.is_dir())):
        at = folder.stat().st_mtime - 60
        os.utime(folder, (at, at))


def test_a_row_says_what_the_run_was_and_how_it_went(settings: Settings) -> None:
    run = ended_run(settings, 3)
    titles.rename(run, "The good one")
    titles.write_note(run, "Two\nlines")
    row = row_of(run)
    assert (row.title, row.data, row.note, row.state) == ("The good one", "Set 3", "Two\nlines", "finished")
    assert (row.right, row.judged, row.seconds, row.epochs) == (2 * EACH - 3, 2 * EACH, 23.0, 11)
    assert (row.architecture, row.strategy, row.classifier) == ("efficientnet_lite0", "fine-tuning", True)
    assert bytes_of(run) == folder_bytes(run.folder) > 10_000


def test_a_run_without_a_classifier_has_no_result(settings: Settings) -> None:
    run = queue.create(TrainConfig(data="digits"), settings, "one")
    run.ask_to_stop()
    row = row_of(run)
    assert (row.state, row.accuracy, row.result, row.classifier, row.seconds) == ("stopped", None, "", False, None)


def test_the_row_of_an_ended_run_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ended_run(settings, 1)
    settle(run)
    row, size = row_of(run), bytes_of(run)

    def never(_thing: object) -> None:
        raise AssertionError

    monkeypatch.setattr(rows, "folder_bytes", never)
    monkeypatch.setattr(titles, "title_of", never)
    assert (row_of(run), bytes_of(run)) == (row, size)


def test_a_new_name_a_note_a_report_and_going_on_are_seen(settings: Settings) -> None:
    run = ended_run(settings, 1)
    for change, seen in (
        (lambda: titles.rename(run, "Another"), lambda: row_of(run).title == "Another"),
        (lambda: titles.write_note(run, "Worse"), lambda: row_of(run).note == "Worse"),
        (lambda: (run.folder / GO_ON).touch(), lambda: row_of(run).state != "finished"),
    ):
        settle(run)
        assert not seen()
        change()
        assert seen()
    settle(run)
    size = bytes_of(run)
    (run.report / "report.json").write_bytes(b"x" * 1000)
    assert bytes_of(run) == size + 1000


def test_a_run_that_goes_on_is_never_remembered(settings: Settings) -> None:
    run = queue.create(TrainConfig(data="digits"), settings, "one", process=os.getpid())
    (run.folder / "events.jsonl").touch()
    settle(run)
    assert row_of(run).state == "running"
    (run.folder / "big").write_bytes(b"x" * 5_000)
    settle(run)
    assert bytes_of(run) > 5_000
    with (run.folder / "big").open("ab") as file:  # no folder's time tells that
        file.write(b"x" * 5_000)
    assert bytes_of(run) > 10_000


def test_a_note_of_a_stranger_is_plain_and_short(settings: Settings, tmp_path: Path) -> None:
    run = queue.create(TrainConfig(data="digits"), settings, "one")
    assert titles.write_note(run, "  a\u202eb \x00c\r\n\u200b\nd  ") == "ab c\n\nd"
    assert titles.note_of(run) == "ab c\n\nd"
    (run.folder / titles.NOTE_FILE).write_bytes(b"\xff" * 10_000_000)
    assert len(titles.note_of(run)) <= titles.MOST_READ
    assert tmp_path.is_dir()
