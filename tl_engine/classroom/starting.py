"""What a pupil starts is held to the lesson: the one door for every way in which a page starts trainings. No torch."""

from collections.abc import Mapping
from typing import Any

from tl_engine.base.errors import ConfigError
from tl_engine.base.settings import Settings
from tl_engine.classroom.lesson import Lesson
from tl_engine.runs import open_runs
from tl_engine.runs.process import Spare
from tl_engine.runs.run import Run
from tl_engine.sources import collection
from tl_engine.visits import turns
from tl_engine.visits.turns import Asker
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace

FROZEN_WORDS = "Your teacher has paused training: what waits begins when training goes on."


def start(options: Mapping[str, Any], visitor: Workspace, asker: Asker, spare: Spare | None = None) -> tuple[Run, bool]:
    """Start a training, or give back the one this visitor has going; a pupil's as the lesson has it.

    Raises EngineError in words for the person who asked.
    """
    lesson = Lesson.read(visitor.settings) if asker.pupil else None
    return turns.begin(kept_to(lesson, options, visitor) if lesson else options, visitor, asker, spare)


def start_lab(
    choice: str | None, architecture: str, visitor: Workspace, asker: Asker, spare: Spare | None = None
) -> list[Run]:
    """Queue the trainings of a lab, which a lesson allows where pupils may change what learns. Raises EngineError."""
    lesson = Lesson.read(visitor.settings) if asker.pupil else None
    if lesson:
        if lesson.closed("strategy") or lesson.closed("advanced"):
            raise ConfigError(f"In the lesson {lesson.title} all learn in the same way: press Train instead.")
        kept_to(lesson, {"data": choice, "architecture": architecture}, visitor)
    return turns.begin_lab(choice, architecture, visitor, asker, spare)


def kept_to(lesson: Lesson, options: Mapping[str, Any], visitor: Workspace) -> dict[str, Any]:
    """The options of a pupil's training as the lesson has it. Raises ConfigError."""
    choice = options.get("data") or lesson.data
    own = str(choice).startswith(UPLOAD)
    chosen = visitor.find(choice) if own else None
    if chosen and chosen.collection:
        classes: list[str] | None = chosen.collection.classes()
    else:
        described = chosen.described() if chosen else None
        classes = list(described.classes) if described else None
    return lesson.kept_to(options, classes)


def lesson_data(lesson: Lesson, visitor: Workspace) -> str:
    """The data set that a pupil opens the lesson with: its own, or one to bring photos into, made the first time."""
    if not lesson.brings:
        return lesson.data
    for choice in visitor.own_data():
        own = visitor.collection(choice) if (found := visitor.find(choice)) and found.collection else None
        if own and own.title == lesson.title:
            return choice
    made = collection.create(visitor.folder, lesson.title, lesson.classes or ("Class 1", "Class 2"))
    return UPLOAD + made.folder.name


def paused(settings: Settings) -> str:
    """The sentence while training is frozen; "" while it is not."""
    return FROZEN_WORDS if open_runs.frozen(settings.runs) else ""
