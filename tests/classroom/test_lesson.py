"""A lesson survives a restart, refuses nonsense, and binds what pupils start, by whatever way."""

import ast
import dataclasses
from typing import Any

import pytest

from tests.classroom.conftest import MakePupil
from tests.house.test_layout import MODULES, tree
from tl_engine.base.errors import ConfigError, RunError
from tl_engine.base.settings import Settings
from tl_engine.classroom import starting
from tl_engine.classroom.lesson import Lesson, forget_lesson
from tl_engine.runs import open_runs, queue
from tl_engine.runs.run import list_runs
from tl_engine.visits.turns import Asker
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace

PUPIL = Asker(pupil=True)
ON_DIGITS = Lesson(title="Digits", data="digits", epochs=20)


def test_a_lesson_is_the_same_after_a_restart(room: Settings) -> None:
    lesson = Lesson(title=" Cats  and dogs ", classes=("cat", "dog"), open=("epochs", "nonsense", "architecture"))
    lesson.write(room)
    assert Lesson.read(room) == lesson
    assert lesson.title == "Cats and dogs"
    assert lesson.open == ("architecture", "epochs")
    forget_lesson(room)
    assert Lesson.read(room) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 2, "title": "x"}', '{"format": 1}'])
def test_a_file_that_is_no_lesson_is_none(content: str, room: Settings) -> None:
    ON_DIGITS.write(room)
    (room.class_folder / "lesson.json").write_text(content)
    assert Lesson.read(room) is None


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"title": " \u200b"}, "title"),
        ({"title": "x" * 61}, "title"),
        ({"classes": ()}, "classes"),
        ({"classes": ("cat",)}, "2 to 20"),
        ({"classes": ("cat", "CAT")}, "same name"),
        ({"classes": ("cat", "../dog")}, "hold none of"),
        ({"data": UPLOAD + "own-1"}, "everybody"),
        ({"epochs": 0}, "epochs"),
        ({"strategy": "magic"}, "strategy"),
        ({"architecture": "no-such"}, "no-such"),
        ({"architecture": "small_vgg"}, "pretrained"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words) as refused:
        Lesson(**{"title": "Cats", "classes": ("cat", "dog"), **facts})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"data": "cifar10"},
        {"architecture": "resnet18"},
        {"strategy": "from-scratch"},
        {"epochs": 21},
        {"epochs": "2"},
        {"learning-rate": 0.5},
        {"learning_rate": 0.5},
        {"augmentation": "strong"},
        {"preset": "tutorial"},
        {"batch-size": 7},
    ],
)
def test_what_is_not_a_pupils_to_change_is_refused_in_the_lessons_name(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="In the lesson Digits"):
        ON_DIGITS.kept_to(options, None)


def test_what_the_page_sends_of_itself_is_what_the_lesson_wants() -> None:
    sent = dataclasses.asdict(ON_DIGITS.config())
    kept = ON_DIGITS.kept_to(sent, None)
    assert (kept["data"], kept["epochs"], kept["architecture"]) == ("digits", 20, ON_DIGITS.architecture)
    assert ON_DIGITS.kept_to({}, None)["epochs"] == 20  # as a program that names nothing


@pytest.mark.parametrize(
    ("free", "options"),
    [
        ("data", {"data": "other"}),
        ("architecture", {"architecture": "resnet18"}),
        ("epochs", {"epochs": 3}),
        ("strategy", {"strategy": "fine-tuning"}),
        ("advanced", {"batch_size": 7, "optimizer": "adamw"}),
    ],
)
def test_what_is_open_may_be_changed_and_nothing_else(free: str, options: dict[str, Any]) -> None:
    lesson = dataclasses.replace(ON_DIGITS, open=(free,))
    kept = lesson.kept_to(options, None)
    assert {name: kept[name] for name in options} == options
    with pytest.raises(ConfigError, match="In the lesson Digits"):
        ON_DIGITS.kept_to(options, None)


def test_a_pupil_starts_what_the_lesson_says_and_a_teacher_what_they_like(room: Settings) -> None:
    ON_DIGITS.write(room)
    open_runs.freeze(room.runs, frozen=True)
    run, new = starting.start({"data": "digits"}, Workspace(room, "a" * 32), PUPIL)
    assert new
    assert run.facts.options["epochs"] == 20
    with pytest.raises(ConfigError, match="the epochs stay"):
        starting.start({"data": "digits", "epochs": 3}, Workspace(room, "b" * 32), PUPIL)
    free, _ = starting.start({"data": "digits", "epochs": 3}, Workspace(room, "c" * 32), Asker())
    assert free.facts.options["epochs"] == 3
    with pytest.raises(ConfigError, match="In the lesson Digits"):
        starting.start_lab("digits", ON_DIGITS.architecture, Workspace(room, "d" * 32), PUPIL)
    assert len(list_runs(room)) == 2


def test_photos_that_pupils_bring_have_the_classes_of_the_lesson(room: Settings, pupil: MakePupil) -> None:
    Lesson(title="Pets", classes=("cat", "dog"), epochs=5).write(room)
    open_runs.freeze(room.runs, frozen=True)
    right = pupil("a", "Ana", Cat=range(3), dog=range(3, 6))
    wrong = pupil("b", "Ben", cat=range(3), bird=range(3, 6))
    run, _ = starting.start({"data": right.own_data()[0]}, right, PUPIL)
    assert run.facts.workspace == right.token
    with pytest.raises(ConfigError, match="the classes are cat, dog"):
        starting.start({"data": wrong.own_data()[0]}, wrong, PUPIL)
    with pytest.raises(ConfigError, match="everybody brings photos"):
        starting.start({"data": "digits"}, wrong, PUPIL)
    with pytest.raises(ConfigError, match="everybody brings photos"):  # what is another pupil's is nobody's here
        starting.start({"data": right.own_data()[0]}, wrong, PUPIL)


def test_a_pupil_finds_a_place_for_photos_once(room: Settings) -> None:
    lesson = Lesson(title="Pets", classes=("cat", "dog"))
    visitor = Workspace(room, "a" * 32)
    choice = starting.lesson_data(lesson, visitor)
    assert visitor.collection(choice).classes() == ["cat", "dog"]
    assert starting.lesson_data(lesson, visitor) == choice
    assert starting.lesson_data(ON_DIGITS, visitor) == "digits"


@pytest.mark.slow
def test_frozen_training_waits_and_goes_on_when_it_is_thawed(room: Settings) -> None:
    open_runs.freeze(room.runs, frozen=True)
    run, _ = starting.start({"data": "digits", "epochs": 3}, Workspace(room, "a" * 32), Asker())
    assert not queue.advance(room)
    assert run.state() == "queued"
    assert "paused" in starting.paused(room)
    open_runs.freeze(room.runs, frozen=False)
    assert starting.paused(room) == ""
    try:
        assert queue.advance(room)
        assert run.process()
    finally:
        queue.stop(run, room)


def test_a_frozen_queue_still_refuses_a_second_training_of_one_pupil(room: Settings) -> None:
    open_runs.freeze(room.runs, frozen=True)
    visitor = Workspace(room, "a" * 32)
    first, _ = starting.start({"data": "digits"}, visitor, PUPIL)
    again, new = starting.start({"data": "digits"}, visitor, PUPIL)
    assert (again, new) == (first, False)
    with pytest.raises(RunError):
        starting.start_lab("digits", ON_DIGITS.architecture, visitor, PUPIL)


def test_the_page_starts_trainings_by_no_other_door() -> None:
    """A new button that called the workspaces' own `start` would not know of a lesson."""
    callers = {
        module
        for module in MODULES
        if module.startswith("ui.") or module == "app"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("start.start", "start.start_lab", "queue.start")
    }
    assert callers == set()
