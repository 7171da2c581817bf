"""What the pages of a class show above the tabs: the lesson, whose name is asked once, what the teacher shows to all.

A page that is open asks every few seconds, which is also how a teacher sees who is there.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.classroom.board import Board
from tl_engine.classroom.lesson import Lesson
from tl_engine.classroom.pupils import NAME_LENGTH, Presence, Pupil, join, labels, name_pupil, pupil_of, pupils
from tl_engine.classroom.stage import Stage
from tl_engine.classroom.starting import lesson_data, paused
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.words import TEACHER_WORDS, BoardRow, board_html, board_rows, lesson_html, shown_html
from ui.gate.persons import PUPIL, TEACHER, role_of
from ui.parts.acting import act, answer_html, said_line
from ui.parts.components import Updates
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET, text
from ui.train.curves import run_curves
from ui.train.plots import accuracy_plot
from ui.train.run_view import EventReader, view

POLL = 4.0  # seconds
CHANGED = "Your teacher has changed the lesson: reload this page."
OLD_LINK = "That link is of another lesson: this is the one of now."
ASKED = "Only your teacher sees it."


@dataclass(frozen=True, slots=True)
class Locks:
    """The controls of the page that a lesson may lock."""

    choice: gr.Dropdown  # the page's data set
    doors: Any  # the ways to a first one
    options: Mapping[str, Any]  # of a training -> control
    controls: Mapping[str, list[Any]]  # what pupils may be allowed to change -> its controls

    @property
    def all(self) -> list[Any]:
        """Every one of them, once."""
        return [*(part for controls in self.controls.values() for part in controls), self.doors]


class PupilView:
    """Lays out the box; `connect` wires it to the page."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, presence: Presence, reader: EventReader) -> None:
        self.settings, self.workspace, self.presence, self.reader = settings, workspace, presence, reader
        self._drawn: tuple[str, str] = ("", "")
        self._drawing = threading.Lock()
        with gr.Column(visible=False, elem_id="lesson") as self.box:
            self.about = gr.HTML("", elem_id="lesson-about", padding=False)
            with gr.Row(visible=False, elem_classes="tl-named") as self.asked:
                self.name = gr.Textbox(
                    label="Your name", info=ASKED, max_length=NAME_LENGTH, elem_id="pupil-name", scale=3
                )
                self.tell = gr.Button("That is me", size="sm", elem_id="pupil-tell", scale=1, min_width=90)
            self.said = said_line("lesson-pupil-said")
            self.note = gr.HTML("", elem_id="lesson-note", padding=False)
            self.stage = gr.HTML("", elem_id="lesson-stage", padding=False)
        self.opened = gr.Textbox("", visible=False)  # which lesson the page was opened with
        self.seen = gr.Textbox("", visible=False)  # the version of what it shows
        self.timer = gr.Timer(POLL, active=False)

    def connect(self, locks: Locks) -> None:
        """Wire the name and the timer; a lesson locks controls of the page."""
        self.locks = locks
        act([self.tell.click, self.name.submit], self.take_name, [self.workspace, self.name],
            [self.workspace, self.asked], self.said)  # fmt: skip
        self.timer.tick(self.follow_class, [self.workspace, self.opened, self.seen],
                        [self.note, self.stage, self.seen], **QUIET)  # fmt: skip

    @property
    def restored(self) -> list[Any]:
        """What opening the lesson changes."""
        return [self.box, self.about, self.asked, self.said, self.opened, self.timer, *self.locks.all]

    def open_lesson(self, workspace: str, request: gr.Request) -> Updates:
        """The lesson, as whoever opens the page has it: a pupil finds its photos chosen and its settings kept."""
        visitor, lesson = Workspace.of(self.settings, workspace), Lesson.read(self.settings)
        asked = request.query_params.get("lesson")
        pupil = join(visitor) if role_of(request) == PUPIL else None
        self.presence.mark(visitor)
        data = visitor.find(lesson.data) if lesson and not lesson.brings else None
        title = data.title if data else "photos that are gone"
        old = OLD_LINK if asked and lesson and asked != lesson.key else ""
        return {
            self.box: gr.Column(visible=True),
            self.about: TEACHER_WORDS if role_of(request) == TEACHER else lesson_html(lesson, title),
            self.asked: gr.Row(visible=pupil is not None and not pupil.name),
            self.said: answer_html(old) if old else "",
            self.opened: version_of(lesson),
            self.timer: gr.Timer(active=True),
            **(self._held(visitor, lesson) if lesson and pupil else {}),
        }

    def _held(self, visitor: Workspace, lesson: Lesson) -> Updates:
        """A pupil's controls: the lesson's values, and those locked that are not theirs to change."""
        held: Updates = {}
        for what, controls in self.locks.controls.items():
            free = not lesson.closed(what) or (what == "classes" and not lesson.brings)
            held |= {part: gr.update(interactive=free) for part in controls}
        config = lesson.config()
        for name, control in self.locks.options.items():
            free = not lesson.closed(name if name in ("architecture", "strategy", "epochs") else "advanced")
            held[control] = gr.update(value=getattr(config, name), interactive=free)
        free = not lesson.closed("data")
        choice = lesson_data(lesson, visitor)
        held[self.locks.choice] = gr.Dropdown(choices=visitor.choices(), value=choice, interactive=free)
        held[self.locks.doors] = gr.Column(visible=False)
        return held

    def take_name(self, workspace: str, name: str) -> Updates:
        """Keep what a pupil calls themselves, for the teacher."""
        visitor = Workspace.of(self.settings, workspace)
        pupil = name_pupil(visitor, name)
        return {
            self.workspace: visitor.token,
            self.asked: gr.Row(visible=False),
            self.said: answer_html(f"Hello {pupil.name}."),
        }

    @in_words
    def follow_class(self, workspace: str, opened: str, seen: str, request: gr.Request) -> Updates:
        """What the teacher tells and shows now; nothing at all if the page has it."""
        visitor = Workspace.of(self.settings, workspace)
        self.presence.mark(visitor)
        changed = version_of(Lesson.read(self.settings)) != opened
        notes = [note for note in (paused(self.settings), CHANGED if changed else "") if note]
        if role_of(request) == TEACHER:  # whose own tab says it
            notes = []
        pupil = pupil_of(visitor) if role_of(request) == PUPIL else None
        stage = self._stage() + self._board(pupil)
        version = hashlib.sha256("".join([*notes, stage]).encode()).hexdigest()[:12]
        if version == seen:
            return {self.seen: gr.skip()}
        told = "".join(f'<p class="tl-problem" role="status">{text(note, 200)}</p>' for note in notes)
        return {self.note: told, self.stage: stage, self.seen: version}

    def _stage(self) -> str:
        """The run that is shown to all, drawn once for all."""
        stage = Stage.read(self.settings)
        run = stage.shown(self.settings)
        if run is None:
            return ""
        shown = view(run, self.settings, self.reader)
        name = self._owner(str(run.facts.workspace)) if stage.named else ""
        version = f"{shown.version}:{name}"
        with self._drawing:
            if self._drawn[0] != version:
                plot = accuracy_plot(run_curves(shown, [], "accuracy")) if shown.epochs else ""
                self._drawn = (version, shown_html(shown, plot, name))
            return self._drawn[1]

    def _owner(self, token: str) -> str:
        """The name of whose run it is, which the teacher wants told."""
        class_: list[Pupil] = pupils(self.settings)
        owner = next((pupil.seat for pupil in class_ if pupil.workspace.token == token), "")
        return labels(class_).get(owner, "")

    def _board(self, pupil: Pupil | None) -> str:
        """The board without names, if the class sees it; a pupil's own row is marked."""
        found = Board.read(self.settings) if Stage.read(self.settings).board else None
        if found is None:
            return ""
        rows: list[BoardRow] = board_rows(found, {})
        return board_html(found, rows, pupil.seat if pupil else "")


def version_of(lesson: Lesson | None) -> str:
    """Names a lesson as it is, so that a page knows whether it has changed."""
    return hashlib.sha256(repr(lesson).encode()).hexdigest()[:12]
