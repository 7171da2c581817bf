"""The left side of the Train tab: what to train on, with what, and how."""

from typing import Any

import gradio as gr

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from tl_engine.backbones.weights import find_weights
from tl_engine.base.errors import EngineError, Question
from tl_engine.base.settings import MEGABYTE, Settings
from tl_engine.base.words import plural
from tl_engine.data.dataset import ImageFolder
from tl_engine.runs.config import TrainConfig
from tl_engine.sources.hub import PREFIX
from tl_engine.sources.room import MOST_TAKEN
from tl_engine.workspaces import corrections, forget
from tl_engine.workspaces.chosen import UPLOAD, Chosen
from tl_engine.workspaces.data_choices import summary_words
from tl_engine.workspaces.worker import run_command, told
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates
from ui.parts.data_dropdown import data_dropdown
from ui.parts.data_table import counts_table, findings_html
from ui.parts.question import QuestionBox, Waiting, awaited, used_up, waiting_file
from ui.parts.refusal import in_words, problem_html
from ui.parts.wording import PRESETS, QUIET, STRATEGIES, text
from ui.train.setting_controls import ADVANCED, Component, setting_control

TAKERS = 4  # uploads being unpacked at once


def backbone_choices(settings: Settings) -> list[tuple[str, str]]:
    """(label, name) with what each needs here; what works now comes first."""
    rows = [(row, find_weights(row, settings)) for row in ARCHITECTURES.values()]
    rows.sort(key=lambda pair: not pair[1].available)
    return [
        (f"{row.label}: {'works now' if source.available else 'needs a ' + source.label}", row.name)
        for row, source in rows
    ]


def summary_html(data: ImageFolder | None) -> str:
    """The classes as bars with their counts by split, and what was left out and why, before anything starts."""
    if data is None:
        return '<p class="tl-hint">Not here yet: the training downloads it first.</p>'
    findings = [entry.to_dict() for entry in data.left_out]
    left_out = findings_html("Left out", findings) if findings else ""
    notes = "".join(f"<p>Note: {text(note, 200)}.</p>" for note in data.notes)
    table = counts_table(data.counts())
    return f'<div class="tl-data"><p><b>{summary_words(data)}</b></p>{table}{left_out}{notes}</div>'


def settings_for(strategy: str, preset: str | None) -> dict[str, Any]:
    """The values a strategy and a preset put into the form."""
    architecture = "small_vgg" if strategy == "from-scratch" else DEFAULT_ARCHITECTURE
    config = TrainConfig.from_options({"data": "digits", "strategy": strategy, "architecture": architecture}, preset)
    return {name: getattr(config, name) for name in ("epochs", *ADVANCED)}


class TrainForm:
    """The controls, and what they say together."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        start = settings_for("feature-extraction", None)
        info = "A folder for each class. Bring your own as a zip below."
        self.data = data_dropdown(settings, label="1. Photos", info=info, elem_id="data")
        self.summary = gr.HTML(elem_id="summary")
        self.question = QuestionBox()
        with gr.Accordion("Upload a zip of class folders", open=False, elem_id="upload"):
            self._ways_in()
        self.architecture = gr.Dropdown(
            backbone_choices(settings),
            value=DEFAULT_ARCHITECTURE,
            label="2. Backbone",
            info="The network that already knows how to see.",
            elem_id="architecture",
        )
        self.strategy: Any = setting_control("strategy", "feature-extraction")
        self.explained = gr.HTML(explanation("feature-extraction"))
        self.epochs = setting_control("epochs", start["epochs"])
        with gr.Accordion("Advanced settings", open=False, elem_id="advanced"):
            self.preset = gr.Radio([(k, v or "") for k, v in PRESETS.items()], value="", label="Preset")
            self.advanced = {name: setting_control(name, start[name]) for name in ADVANCED}
        self._connect()

    def _ways_in(self) -> None:
        limits = self.settings.limits
        self.upload = gr.File(
            label=f"Zip, at most {limits.archive_bytes // MEGABYTE:,} MB, {limits.images:,} photos, "
            f"{limits.classes:,} classes; unpacked at most {limits.unpacked_bytes // MEGABYTE:,} MB",
            file_count="single",
            height=120,
        )
        with gr.Row():
            self.hub = gr.Textbox(
                label="Or a data set of the Hugging Face hub",
                placeholder="owner/name",
                max_length=120,
                info=f"At most {MOST_TAKEN:,} photos are taken. Needs a network.",
                elem_id="hub",
                scale=3,
            )
            self.fetch = gr.Button("Fetch", size="sm", elem_id="fetch", scale=1, min_width=80)
        with gr.Row():
            self.sure = gr.Checkbox(False, label="I am sure: my uploads and collections go for good", scale=3)
            self.forget = gr.Button("Delete all that is mine", size="sm", variant="stop", scale=1, min_width=80)

    @property
    def options(self) -> dict[str, Component]:
        """Engine option -> control."""
        named = {"data": self.data, "architecture": self.architecture, "strategy": self.strategy, "epochs": self.epochs}
        return named | self.advanced

    @property
    def shown(self) -> list[Any]:
        """What `describe_data` changes."""
        return [self.summary, *self.question.shown]

    def _connect(self) -> None:
        tuned = [self.epochs, *self.advanced.values()]
        gr.on([self.strategy.input, self.preset.input], self.fill_in, [self.strategy, self.preset], tuned, **QUIET)
        self.strategy.change(explanation, self.strategy, self.explained, **QUIET)
        here = [self.data, self.workspace]
        # Reading a large folder takes a moment, so this one shows that it works.
        self.data.change(self.describe_data, here, self.shown, api_visibility="private")
        taken = [self.data, *self.shown, self.workspace]
        taking: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": TAKERS, "concurrency_id": "take"}
        self.upload.upload(self.take_upload, [self.upload, self.workspace], [*taken, self.upload],
                           show_progress_on=self.upload, **taking)  # fmt: skip
        gr.on([self.fetch.click, self.hub.submit], self.fetch_from_hub, [self.hub, self.workspace], taken,
              show_progress_on=self.hub, **taking)  # fmt: skip
        asked = [*here, self.question.reading, self.question.waiting]
        self.question.go.click(self.answer_question, asked, taken, show_progress_on=self.question.go, **taking)
        forgotten = [self.data, *self.shown, self.sure]
        self.forget.click(
            self.delete_everything, [self.workspace, self.sure, self.question.waiting], forgotten, **QUIET
        )

    def fill_in(self, strategy: str, preset: str) -> Updates:
        """The values that a strategy and a preset stand for."""
        values = settings_for(strategy, preset or None)
        return {self.options[name]: value for name, value in values.items()}

    def describe_data(self, choice: str | None, workspace: str) -> Updates:
        """What is in the chosen data set; what is wrong with it, or to be asked about it, is said in its place."""
        if not choice:
            return {self.summary: "", **self.question.show()}
        try:
            return self._described(Workspace.of(self.settings, workspace).data(choice), ask=bool(workspace))
        except EngineError as error:
            return {self.summary: problem_html(error), **self.question.show()}

    def _described(self, chosen: Chosen, *, ask: bool = True) -> Updates:
        try:
            return {self.summary: summary_html(chosen.described()), **self.question.show()}
        except Question as question:
            return {self.summary: problem_html(question), **self.question.show(question if ask else None)}
        except EngineError as error:
            return {self.summary: problem_html(error), **self.question.show()}

    @in_words
    def take_upload(self, file: str | None, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """A visitor's zip becomes a data set of theirs, chosen at once; the upload itself is not kept."""
        visitor = Workspace.of(self.settings, workspace)
        if not file:
            raise EngineError("No file arrived: choose a zip of class folders.")
        return {**self._uploaded(file, visitor, progress), self.upload: None}

    @in_words
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
        return self._described(chosen)

    def _uploaded(self, file: str, visitor: Workspace, progress: Any, *answer: str) -> Updates:
        try:
            with used_up(file):
                return self._taken(file, visitor, progress, *answer)
        except Question as question:
            asked = self.question.show(question, file)
            return {self.summary: problem_html(question), **asked, self.workspace: visitor.token}

    @in_words
    def fetch_from_hub(self, name: str, workspace: str, progress: Any = gr.Progress()) -> Updates:  # noqa: B008
        """A data set of the hub becomes one of the visitor's."""
        visitor = Workspace.of(self.settings, workspace)
        return self._taken(f"{PREFIX}{name.strip().removeprefix(PREFIX)}", visitor, progress)

    def _taken(self, what: str, visitor: Workspace, progress: Any, *answer: str) -> Updates:
        """Unpack or download in a process of its own, so that the page answers meanwhile."""
        arguments = [what, "--into", str(visitor.folder), *answer]
        taken = run_command("take", arguments, self.settings, lambda event: told(progress, event))
        return {**self._chosen(UPLOAD + taken["folder"], visitor), self.workspace: visitor.token}

    def _chosen(self, choice: str, visitor: Workspace) -> Updates:
        """The list of now with that data set chosen, and what is in it."""
        listed = gr.Dropdown(visitor.choices(), value=choice)
        return {self.data: listed, **self._described(visitor.data(choice))}

    @in_words
    def delete_everything(self, workspace: str, sure: bool, waiting: Any = None) -> Updates:
        """Remove what this visitor brought."""
        visitor = Workspace.of(self.settings, workspace)
        if not sure:
            raise EngineError("Tick “I am sure” first: what is deleted cannot be had back.")
        number = forget.delete_everything(visitor, waiting_file(waiting))
        gr.Info(f"Deleted: {plural(number, 'data set')}.")
        return {**self._chosen(visitor.present(None), visitor), self.sure: False}


def explanation(strategy: str) -> str:
    """The sentence under the strategies."""
    return f'<p class="tl-hint">{STRATEGIES[strategy][1]}</p>' if strategy in STRATEGIES else ""
