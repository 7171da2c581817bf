"""A class on this page: a box above the tabs for everybody, and the tab Class for its teacher."""

from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.classroom.pupils import Presence
from tl_engine.runs.process import Spare
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.door import tell_teacher
from ui.classroom.keeping_view import KeepingView
from ui.classroom.lesson_form import LessonForm
from ui.classroom.overview_view import OverviewView
from ui.classroom.pupil_view import Locks, PupilView
from ui.gate.persons import TEACHER, role_of
from ui.parts.components import Updates
from ui.parts.refusal import in_words
from ui.parts.wording import QUIET
from ui.train.run_view import EventReader

KEPT_VIEWS = 200  # runs whose events stay read; a class has about forty


class Classroom:
    """Made where the box goes; `lay_out_tab` within the tabs, `connect` when all is laid out."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState, spare: Spare | None, code: str) -> None:
        self.settings, self.workspace, self.spare, self.code = settings, workspace, spare, code
        self.presence, self.reader = Presence(), EventReader(KEPT_VIEWS)
        self.pupil = PupilView(settings, workspace, self.presence, self.reader)

    def lay_out_tab(self) -> None:
        """The tab, which only a teacher's page shows, and whose handlers answer nobody else."""
        with gr.Tab("Class", id="class", visible=False, elem_id="class-tab") as self.tab:
            self.overview = OverviewView(self.settings, self.presence, self.reader, self.spare)
            self.form = LessonForm(self.settings, self.workspace, self.code)
            self.keeping = KeepingView(self.settings, self.workspace, self.spare)

    def connect(self, locks: Locks, blocks: gr.Blocks) -> None:
        """Wire the parts to the page."""
        self.pupil.connect(locks)
        self.overview.connect()
        self.form.connect(blocks)
        self.keeping.connect(locks.choice)
        read = [*self.form.shown, *self.keeping.shown, *self.overview.shown]
        tell_teacher(self.tab.select, self.read_class, [self.workspace], read, asks=True)

    def open_after(self, loaded: Any) -> None:
        """Open the lesson once a page knows whose it is."""
        opened = [*self.pupil.restored, self.tab, self.overview.timer]
        loaded.then(self.open_class, self.workspace, opened, **QUIET)

    @in_words
    def open_class(self, workspace: str, request: gr.Request) -> Updates:
        """The lesson for everybody; the tab for the teacher."""
        teacher = role_of(request) == TEACHER
        return {
            **self.pupil.open_lesson(workspace, request),
            self.tab: gr.Tab(visible=teacher),
            self.overview.timer: gr.Timer(active=teacher),
        }

    def read_class(self, request: gr.Request, workspace: str) -> Updates:
        """All that the tab shows."""
        visitor = Workspace.of(self.settings, workspace)
        return {
            **self.form.show(visitor, request),
            **self.keeping.show(visitor),
            **self.overview.watch_class(""),
        }
