"""Data that can be read in two ways, on the page: asked, answered, remembered, and passed on by processes."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.photo_trees import filled
from tl_engine.base.errors import ConfigError, DataError, EngineError, Question
from tl_engine.base.settings import Settings
from tl_engine.data.reading import CLASSES, SPLITS
from tl_engine.jobs.worker import run_command
from tl_engine.sources.intake import load_data
from tl_engine.workspaces import corrections, start
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import said_line
from ui.parts.components import Updates
from ui.parts.question import used_up
from ui.parts.refusal import page_words, refused
from ui.photos.doors import Doors
from ui.photos.summary import Summary

pytestmark = pytest.mark.usefixtures("unserved")

OWNER, OTHER = "a" * 32, "b" * 32
PUPILS = ("anna/cats", "anna/dogs", "ben/cats", "ben/dogs")
ASKED = Question("The names of a.zip are odd: choose --zip-names gbk (猫) or --zip-names cp866.", "zip_names",
                 {"gbk": "猫, 狗", "cp866": "├¿"})  # fmt: skip


@pytest.fixture
def doors(settings: Settings, tmp_path: Path) -> Doors:
    """The ways in of a page whose host has a folder of two pupils."""
    here = dataclasses.replace(settings, uploads=tmp_path / "uploads")
    filled(here.data_dir / "pupils", *PUPILS)
    with gr.Blocks(analytics_enabled=False):
        made = Doors(here, gr.BrowserState("", storage_key="k", secret="s"))
        made.connect(gr.Dropdown(), Summary(), said_line("said"))
    return made


def visitor(doors: Doors) -> Workspace:
    return Workspace(doors.settings, OWNER)


def described(doors: Doors, token: str = OWNER) -> Updates:
    return doors.summary.show(Workspace(doors.settings, token).data("folder:pupils"))


def asked(doors: Doors, shown: Updates) -> dict[str, str]:
    """The readings that are offered, by value; none where the box is hidden."""
    box, radio = shown[doors.summary.question.box], shown[doors.summary.question.reading]
    assert box.visible == bool(radio.choices)
    return {value: words for words, value in radio.choices}


def test_a_question_is_shown_in_place_of_the_summary_with_its_readings_and_no_option(doors: Doors) -> None:
    shown = described(doors)
    assert "pupils can be read in two ways" in shown[doors.summary.words]
    assert "--layout" not in shown[doors.summary.words]
    assert "2 classes: cats, dogs" in asked(doors, shown)[SPLITS]
    assert set(shown) == set(doors.summary.shown)


def test_the_answer_holds_for_its_visitor_in_summary_training_and_terminal(doors: Doors) -> None:
    shown = doors.answer_question("folder:pupils", OWNER, SPLITS, None)
    assert "12 photos in 2 classes" in shown[doors.summary.words]
    assert asked(doors, shown) == asked(doors, described(doors)) == {}
    assert set(asked(doors, described(doors, OTHER))) == {CLASSES, SPLITS}
    config = start.checked_config({"data": "folder:pupils"}, visitor(doors))
    assert load_data(config.data, doors.settings).classes == ("cats", "dogs")
    corrections.undo(visitor(doors).data("folder:pupils"))
    assert set(asked(doors, described(doors))) == {CLASSES, SPLITS}


def test_a_program_names_the_layout_itself(doors: Doors) -> None:
    with pytest.raises(Question):
        start.checked_config({"data": "pupils"}, visitor(doors))
    config = start.checked_config({"data": "pupils", "layout": CLASSES}, visitor(doors))
    assert load_data(config.data, doors.settings, reading=config.reading).classes == ("anna", "ben")


def test_an_answer_that_is_none_of_the_readings_is_refused(doors: Doors) -> None:
    with pytest.raises(EngineError, match="Pick one"):
        doors.answer_question("folder:pupils", OWNER, None, None)
    with pytest.raises(ConfigError):
        corrections.choose_layout(visitor(doors).data("folder:pupils"), "anything")
    with pytest.raises(EngineError):
        doors.answer_question("folder:pupils", "../x", SPLITS, None)


def test_a_zip_with_two_readings_stays_until_it_is_read_as_chosen(doors: Doors, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "class"), "zip", filled(tmp_path / "in", *PUPILS))
    shown = doors.take_upload(archive, OWNER, lambda *_, **__: None)
    assert set(asked(doors, shown)) == {CLASSES, SPLITS}
    assert not Path(archive).exists()
    choice = shown[doors.choice].value
    doors.answer_question(choice, OWNER, SPLITS, None)
    data = visitor(doors).data(choice).described()
    assert data is not None
    assert data.classes == ("cats", "dogs")


def test_an_upload_waits_for_the_answer_to_a_question_about_its_names(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    place = tmp_path / "gradio" / ("a" * 64)
    place.mkdir(parents=True)
    archive = shutil.make_archive(str(place / "named"), "zip", filled(tmp_path / "in", "cats", "dogs"))
    with pytest.raises(Question), used_up(archive):
        raise ASKED
    box, radio, waiting = doors.summary.question.show(ASKED, archive).values()
    assert box.visible
    assert [value for _, value in radio.choices] == ["gbk", "cp866"]
    shown = doors.answer_question(None, OWNER, "gbk", waiting, lambda *_, **__: None)
    assert "6 photos in 2 classes" in shown[doors.summary.words]
    assert shown[doors.choice].value.startswith(UPLOAD)
    assert not Path(archive).exists()


@pytest.mark.parametrize(
    "waiting", [{"path": "/etc/hostname", "option": "layout"}, {"path": 7, "option": "zip_names"}, ["x"], {}, "x"]
)
def test_whatever_else_a_browser_says_to_be_waiting_is_refused(doors: Doors, waiting: Any) -> None:
    with pytest.raises(EngineError):
        doors.answer_question(None, OWNER, "gbk", waiting or {"path": ""}, lambda *_, **__: None)


def test_an_upload_that_is_refused_is_not_kept(tmp_path: Path) -> None:
    archive = tmp_path / "broken.zip"
    archive.write_bytes(b"")
    with pytest.raises(DataError), used_up(str(archive)):
        raise DataError("broken.zip is empty: upload it again.")
    assert not archive.exists()


def test_a_process_passes_its_question_on_whole(doors: Doors) -> None:
    with pytest.raises(Question) as caught:
        run_command("inspect", ["--data", str(doors.settings.data_dir / "pupils")], doors.settings, print)
    assert caught.value.option == "layout"
    assert set(caught.value.readings) == {CLASSES, SPLITS}
    assert str(doors.settings.data_dir) not in str(caught.value)


def test_a_question_survives_its_line_and_other_lines_are_none() -> None:
    again = Question.from_json(ASKED.to_json())
    assert again is not None
    assert (str(again), again.option, again.readings) == (str(ASKED), ASKED.option, ASKED.readings)
    assert ASKED.to_json().isascii()
    for line in ("", "{}", "[]", "7", '{"kind": "progress"}', '{"kind": "question"}', "a sentence."):
        assert Question.from_json(line) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ASKED, "The names of a.zip are odd."),
        (Question("It is no data: make one, or choose --layout classes (a: b).", "layout", {}), "It is no data."),
        (EngineError("Give --name: it is missing."), "Give --name: it is missing."),
    ],
)  # fmt: skip
def test_a_page_does_not_name_the_options_that_answer_a_question(error: EngineError, words: str) -> None:
    assert page_words(error) == words
    assert str(refused(error)) == repr(words)


@pytest.mark.parametrize("name", ["photos.ZIP", "photos", "m.json"])
def test_an_upload_goes_whatever_its_ending(name: str, tmp_path: Path) -> None:
    upload = tmp_path / name
    upload.write_bytes(b"PK")
    with used_up(str(upload)):
        pass
    assert not upload.exists()
