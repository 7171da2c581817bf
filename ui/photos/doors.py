"""The ways in: photos of one's own, a zip, the hub, or an example that trains at once."""

from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, Question
from tl_engine.base.settings import MEGABYTE, Settings
from tl_engine.jobs.worker import run_command, told
from tl_engine.sources import collection
from tl_engine.sources.hub import PREFIX
from tl_engine.sources.room import MOST_TAKEN
from tl_engine.sources.samples import SAMPLES
from tl_engine.visits.ageing import promise
from tl_engine.workspaces import corrections, data_choices
from tl_engine.workspaces.chosen import UPLOAD
from tl_engine.workspaces.workspace import Workspace
from ui.parts.acting import act, answer_html, answering
from ui.parts.components import Updates
from ui.parts.question import Waiting, awaited, used_up
from ui.photos.summary import Summary

TAKERS = 4  # uploads being unpacked at once
FIRST_TITLE, FIRST_CLASSES = "My photos", ("Class 1", "Class 2")


class Doors:
    """Lays out the doors; `connect` wires them to the list of data sets."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        sample = SAMPLES[data_choices.default_choice(settings)]
        with gr.Column(elem_id="doors") as self.box:
            gr.HTML("<h2>What should it tell apart?</h2>", padding=False)
            with gr.Row(elem_classes="tl-buttons"):
                self.own = gr.Button("My own photos", variant="primary", elem_id="door-own")
                self.zip = gr.Button("A zip of class folders", elem_id="door-zip")
                name = sample.present_label.rsplit(" (", 1)[0]
                self.example = gr.Button(f"Show me an example: {name[:1].lower()}{name[1:]}", elem_id="door-example")
            if told := promise(settings.limits):
                gr.HTML(f'<p class="tl-hint">{told}</p>', elem_id="doors-promise", padding=False)
            with gr.Column(visible=False, elem_id="upload") as self.ways:
                self._ways_in()

    def _ways_in(self) -> None:
        limits = self.settings.limits
        self.upload = gr.File(
            label=f"Zip, at most {limits.archive_bytes // MEGABYTE:,} MB, {limits.images:,} photos, "
            f"{limits.classes:,} classes; unpacked at most {limits.unpacked_bytes // MEGABYTE:,} MB",
            file_count="single",
            height=120,
        )
        with gr.Row(elem_classes="tl-named"):
            self.hub = gr.Textbox(
                label="Or a data set of the Hugging Face hub",
                placeholder="owner/name",
                max_length=120,
                info=f"At most {MOST_TAKEN:,} photos are taken. Needs a network.",
                elem_id="hub",
                scale=3,
            )
            self.fetch = gr.Button("Fetch", size="sm", elem_id="fetch", scale=1, min_width=80)

    @property
    def shown(self) -> list[Any]:
        """What `show` changes."""
        return [self.box, self.ways]

    def connect(self, choice: gr.Dropdown, summary: Summary, said: gr.HTML) -> None:
        """Wire the ways in; whatever comes in becomes the data set that is chosen."""
        self.choice, self.summary, self.said = choice, summary, said
        taken = [choice, self.box, *summary.shown, self.workspace]
        act(self.own.click, self.create_collection, self.workspace, [choice, self.box, self.workspace], said)
        act(self.zip.click, self.open_ways, None, [self.ways], said)
        taking: dict[str, Any] = {
            "api_visibility": "private", "concurrency_limit": TAKERS, "concurrency_id": "take",
            "show_progress_on": said,
        }  # fmt: skip
        self.upload.upload(answering(self.take_upload, said), [self.upload, self.workspace],
                           [*taken, self.upload, said], **taking)  # fmt: skip
        gr.on([self.fetch.click, self.hub.submit], answering(self.fetch_from_hub, said),
              [self.hub, self.workspace], [*taken, said], **taking)  # fmt: skip
        question = summary.question
        asked = [choice, self.workspace, question.reading, question.waiting]
        question.go.click(answering(self.answer_question, said), asked, [*taken, said], **taking)

    def show(self, visitor: Workspace) -> Updates:
        """Open for whoever has nothing yet."""
        return {self.box: gr.Column(visible=not visitor.own_data()), self.ways: gr.Column(visible=False)}

    def toggle(self) -> Updates:
        """Open, for one more data set."""
        return {self.box: gr.Column(visible=True)}

    def open_ways(self) -> Updates:
        """The fields for a zip and for the hub."""
        return {self.ways: gr.Column(visible=True)}

    def create_collection(self, workspace: str) -> Updates:
        """A new data set of the visitor's own with two empty classes, open for photos."""
        visitor = Workspace.of(self.settings, workspace)
        own = collection.create(visitor.folder, FIRST_TITLE, FIRST_CLASSES)
        return self._chosen(UPLOAD + own.folder.name, visitor)

    def take_upload(self, file: str | None, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """A visitor's zip becomes a data set of theirs, chosen at once; the upload itself is not kept."""
        visitor = Workspace.of(self.settings, workspace)
        if not file:
            raise EngineError("No file arrived: choose a zip of class folders.")
        return {**self._uploaded(file, visitor, progress), self.upload: None}

    def answer_question(
        self, choice: str | None, workspace: str, reading: str | None, waiting: Waiting | None,
        progress: Any = gr.Progress(),  # noqa: B008
    ) -> Updates:  # fmt: skip
        """The data set, or the upload that waits, read as its visitor chose."""
        if not reading:
            raise EngineError("Pick one of the readings first.")
        if waiting:
            file, option = awaited(waiting)
            visitor = Workspace.of(self.settings, workspace)
            return self._uploaded(file, visitor, progress, f"--{option}", reading)
        chosen = Workspace(self.settings, workspace).data(choice)
        corrections.choose_layout(chosen, reading)
        return self.summary.show(chosen)

    def _uploaded(self, file: str, visitor: Workspace, progress: Any, *answer: str) -> Updates:
        try:
            with used_up(file):
                return self._taken(file, visitor, progress, *answer)
        except Question as question:
            return {**self.summary.ask(question, file), self.workspace: visitor.token}

    def fetch_from_hub(self, name: str, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """A data set of the hub becomes one of the visitor's."""
        visitor = Workspace.of(self.settings, workspace)
        return self._taken(f"{PREFIX}{name.strip().removeprefix(PREFIX)}", visitor, progress)

    def _taken(self, what: str, visitor: Workspace, progress: Any, *answer: str) -> Updates:
        """Unpack or download in a process of its own, so that the page answers meanwhile."""
        arguments = [what, "--into", str(visitor.folder), *answer]
        taken = run_command("take", arguments, self.settings, lambda event: told(progress, event))
        choice = UPLOAD + taken["folder"]
        chosen = visitor.data(choice)
        said = answer_html(f"{chosen.title} is here.")
        return {**self._chosen(choice, visitor), **self.summary.show(chosen), self.said: said}

    def _chosen(self, choice: str, visitor: Workspace) -> Updates:
        """The list of now with that data set chosen."""
        listed = gr.Dropdown(visitor.choices(), value=choice)
        return {self.choice: listed, self.box: gr.Column(visible=False), self.workspace: visitor.token}
