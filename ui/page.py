"""The page: its tabs, a workspace kept in the browser, what a visitor finds again, endpoints for programs."""

from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.runs.process import Spare
from tl_engine.visits.disk import disk_name
from tl_engine.workspaces import data_choices
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace
from ui.classroom.pupil_view import Locks
from ui.classroom.tab import Classroom
from ui.current import CurrentLine
from ui.endpoints import add_endpoints
from ui.landing import landing, remembered
from ui.parts.acting import act, answer_html
from ui.parts.components import Updates
from ui.parts.incoming import guard
from ui.parts.refusal import answer_in_words
from ui.parts.wording import QUIET, TITLE
from ui.photos.tab import PhotosTab
from ui.predict.classifiers import choices
from ui.predict.tab import PredictTab
from ui.report.tab import ReportTab
from ui.runs.tab import RunsTab
from ui.serving import space
from ui.sharing.carry_view import CarryView
from ui.train.run_view import EventReader
from ui.train.tab import TrainTab
from ui.waking import awake, hear_visitors, put_to_sleep

# The browser keeps these under keys of its own. The secret only has to be the same after a restart: every client gets
# it, what protects a workspace is that its name cannot be guessed.
WORKSPACE_KEY, CURRENT_KEY = "tl-workspace", "tl-current"
SECRET = "kept the same, so that a restart can read it"
CLEANED = 3600  # how often Gradio's file cache is cleaned, seconds
CACHE_SECONDS = 24 * 3600  # and of what age; earlier where what visitors bring goes earlier
QUEUE_LENGTH = 2000  # calls of all that may wait; of one person see Limits.waiting_calls
SCRIPTS = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("page.js", "camera.js", "plots.js")]


class Page:
    """The tabs over one installation. `blocks` is what is served."""

    def __init__(self, settings: Settings, pool: ClassifierPool, spare: Spare | None, class_code: str = "") -> None:
        self.settings = settings
        reader = EventReader()
        self.blocks: gr.Blocks
        age = settings.limits.data_seconds or CACHE_SECONDS
        cleaned = (min(CLEANED, age), age)
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=cleaned) as self.blocks:
            self.blocks.queue(api_open=True, max_size=QUEUE_LENGTH)  # Gradio makes a server at this: of nothing as yet
            gr.Markdown(f"# {TITLE}", elem_id="intro")
            self.workspace = gr.BrowserState("", storage_key=WORKSPACE_KEY, secret=SECRET)
            self.kept = gr.BrowserState({}, storage_key=CURRENT_KEY, secret=SECRET)  # data, run and classifier
            space.lay_out(settings)
            self.disk = gr.Textbox("", visible=False)  # the name of the server's, by which the browser knows it again
            self.current = CurrentLine(settings, self.workspace)
            self.carrying = CarryView(settings, self.workspace, self.kept)
            self.classroom = Classroom(settings, self.workspace, spare, class_code) if settings.classroom else None
            with gr.Tabs(elem_id="tabs") as self.tabs:
                self.photos = PhotosTab(settings, self.workspace)
                self.train = TrainTab(settings, self.workspace, reader, spare)
                self.predict = PredictTab(settings, pool, self.workspace)
                self.report = ReportTab(settings, self.workspace, reader, spare)
                self.runs = RunsTab(settings, self.workspace, reader)
                if self.classroom:
                    self.classroom.lay_out_tab()
            add_endpoints(settings, pool, reader, spare)
            self._connect()

    def _connect(self) -> None:
        data, run, classifier = self.photos.choice, self.train.run, self.predict.classifier
        self.photos.connect(self.train.form)
        self.train.connect(self.tabs, data, classifier)
        self.train.taken.push.connect(run, self.blocks)
        self.train.wire_start(self.photos.go, self.photos.said)
        self.train.wire_start(self.photos.doors.example, self.photos.said, example=True)
        self.predict.connect(self.tabs)
        self.report.connect(run, self.train, self.tabs, data)
        self.runs.connect(self.tabs, self.train, data, classifier)
        self.current.connect(self.tabs, data, run, classifier, [self.train.share], self.photos.undo.state)
        waiting = self.photos.summary.question.waiting
        self.photos.things.connect(waiting, [data, run], self.list_after)
        classifier.input(
            lambda name, token: name if self.current.opened(name) else token, [classifier, run], run, **QUIET
        )
        act(self.train.use.click, self.current.try_current, [run, self.workspace], [self.tabs, classifier],
            self.current.said)  # fmt: skip
        if self.classroom:
            self.classroom.connect(self._locks(), self.blocks)
        self.train.report.click(lambda: gr.Tabs(selected="report"), None, self.tabs, **QUIET)
        self.carrying.connect(self.blocks, [self.current.carry, self.current.have_code])
        gr.on([data.change, run.change, classifier.change], None, [data, run, classifier, self.disk], self.kept,
              js="(data, run, classifier, disk) => ({data, run, classifier, disk})")  # fmt: skip
        self._restore_on_load()

    def _locks(self) -> Locks:
        """What a lesson may lock."""
        photos, form = self.photos, self.train.form
        doors = photos.doors
        cards = [part for card in photos.cards.cards for part in (card.title, card.delete)]
        controls: dict[str, list[Any]] = {
            "data": [photos.choice, photos.new, doors.own, doors.zip, doors.example],
            "classes": [photos.cards.add_class_button, *cards],
            "advanced": [form.preset, *form.advanced.values()],
            **{name: [form.options[name]] for name in ("architecture", "strategy", "epochs")},
        }
        return Locks(photos.choice, doors.box, form.options, controls)

    def _restore_on_load(self) -> None:
        self.sleeping = put_to_sleep(self.blocks, self.workspace)
        lists = [self.photos.choice, self.train.run, self.predict.classifier]
        shown = [*self.photos.doors.shown, *self.current.shown, *self.predict.shown]
        restored = [self.workspace, self.disk, self.tabs, self.current.said, *lists, *shown, *self.sleeping]
        loaded = self.blocks.load(self.restore, [self.workspace, self.kept], restored, **QUIET)
        self.carrying.arrived.change(self.restore, [self.workspace, self.kept], restored, **QUIET)
        if self.classroom:
            self.classroom.open_after(loaded)
        # Nobody is kept from starting by a list.
        loaded.failure(self.go_on_without, None, [self.photos.choice, *self.sleeping], **QUIET)
        for script in SCRIPTS:
            self.blocks.load(None, js=script)

    def restore(self, known: str, kept: Any, request: gr.Request) -> Updates:
        """What this visitor had, or what their link opens, and the tab where they go on."""
        visitor = remembered(self.settings, known)
        found = landing(visitor, kept, request.query_params.get("run"))
        listed = choices(visitor, found.classifier)
        return {
            self.workspace: visitor.token,
            self.disk: disk_name(self.settings),
            self.tabs: gr.Tabs(selected=found.tab),
            self.photos.choice: gr.Dropdown(choices=visitor.choices(), value=found.data),
            self.train.run: found.run,
            self.predict.classifier: gr.Dropdown(choices=listed, value=found.classifier),
            **self.photos.doors.show(visitor),
            **self.current.show(visitor, found.data, found.run),
            **self.predict.show_classifier(visitor.token, found.classifier),
            self.current.said: answer_html(told, alert=True) if (told := found.refusal or found.told) else "",
            **awake(self.sleeping),
        }

    def go_on_without(self) -> Updates:
        """A page that could not learn whose it is: it offers what everybody has."""
        return {self.photos.choice: data_choices.default_choice(self.settings), **awake(self.sleeping)}

    def list_after(self, visitor: Workspace, choice: str | None, token: str | None) -> Updates:
        """The page's lists after something was deleted."""
        listed = gr.Dropdown(choices=visitor.choices(), value=visitor.present(choice))
        return {self.photos.choice: listed, self.train.run: token if self.current.opened(token) else ""}


def build_page(settings: Settings, pool: ClassifierPool, spare: Spare | None = None, class_code: str = "") -> gr.Blocks:
    """The whole page over one installation; trainings start in the spare process, if there is one.

    `class_code` is what pupils enter with, so that a lesson's link can open the door too.
    """
    page = Page(settings, pool, spare, class_code)
    blocks = page.blocks
    hear_visitors(blocks, settings, page.workspace)
    answer_in_words(blocks)
    guard(blocks)
    return blocks
