"""The left side of the Train tab: what to train on, with what, and how."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from tl_engine.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE
from tl_engine.config import AUGMENTATIONS, OPTIMIZERS, SCHEDULES, TrainConfig
from tl_engine.dataset import ImageFolder
from tl_engine.errors import EngineError
from tl_engine.settings import MEGABYTE, Settings
from tl_engine.weights import find_weights
from ui import data_choices
from ui.predict_tab import refused
from ui.session import checked_workspace
from ui.wording import PRESETS, STRATEGIES, plural, text

BARS = 12  # classes shown with a bar; more are counted
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
Component = gr.components.Component


def backbone_choices(settings: Settings) -> list[tuple[str, str]]:
    """(label, name) with what each needs here; what works now comes first."""
    rows = [(row, find_weights(row, settings)) for row in ARCHITECTURES.values()]
    rows.sort(key=lambda pair: not pair[1].available)
    return [
        (f"{row.label}: {'works now' if source.available else 'needs a ' + source.label}", row.name)
        for row, source in rows
    ]


def summary_html(data: ImageFolder | None) -> str:
    """The classes as bars with their counts, and what was left out, before anything starts."""
    if data is None:
        return ""
    totals = {name: sum(splits.values()) for name, splits in data.counts().items()}
    largest = max(totals.values())
    rows = [
        f'<tr><th scope="row" title="{text(name, 120)}">{text(name, 28)}</th><td class="tl-bar">'
        f'<span style="width:{100 * count / largest:.0f}%"></span></td><td>{count:,}</td></tr>'
        for name, count in list(totals.items())[:BARS]
    ]
    more = f"<p>and {plural(len(totals) - BARS, 'class', 'classes')} more</p>" if len(totals) > BARS else ""
    skipped = "".join(f"<li>{text(file, 60)}: {text(reason, 160)}</li>" for file, reason in data.skipped[:3])
    left_out = f"<p>{plural(len(data.skipped), 'file')} left out:</p><ul>{skipped}</ul>" if skipped else ""
    notes = "".join(f"<p>Note: {text(note, 200)}.</p>" for note in data.notes)
    words = data_choices.summary_words(data)
    return f'<div class="tl-data"><p><b>{words}</b></p><table>{"".join(rows)}</table>{more}{left_out}{notes}</div>'


def settings_for(strategy: str, preset: str | None) -> dict[str, Any]:
    """The values a strategy and a preset put into the form."""
    architecture = "small_vgg" if strategy == "from-scratch" else DEFAULT_ARCHITECTURE
    config = TrainConfig.from_options({"data": "digits", "strategy": strategy, "architecture": architecture}, preset)
    return {name: getattr(config, name) for name in ("epochs", *ADVANCED)}


ADVANCED: dict[str, Callable[[Any], Component]] = {
    "learning_rate": lambda v: gr.Number(v, label="Learning rate", info="The peak of the schedule."),
    "batch_size": lambda v: gr.Number(v, label="Batch size", info="Photos per step."),
    "optimizer": lambda v: gr.Dropdown(list(OPTIMIZERS), value=v, label="Optimizer"),
    "schedule": lambda v: gr.Dropdown(
        list(SCHEDULES), value=v, label="Schedule", info="How the learning rate falls over the epochs."
    ),
    "augmentation": lambda v: gr.Dropdown(
        list(AUGMENTATIONS), value=v, label="Augmentation", info="Random crops and flips; strong adds colours and more."
    ),
    "weight_decay": lambda v: gr.Number(v, label="Weight decay"),
    "label_smoothing": lambda v: gr.Number(v, label="Label smoothing"),
    "class_weights": lambda v: gr.Checkbox(v, label="Weigh rare classes more"),
    "early_stopping": lambda v: gr.Number(
        v, label="Early stopping", info="Epochs without a better one before it ends; 0: never."
    ),
    "val_fraction": lambda v: gr.Number(
        v, label="Validation share", info="Of each class, where there is no validation folder."
    ),
    "seed": lambda v: gr.Number(v, label="Seed", info="The same seed gives the same result."),
}


class TrainForm:
    """The controls, and what they say together."""

    def __init__(self, settings: Settings, workspace: gr.BrowserState) -> None:
        self.settings = settings
        self.workspace = workspace
        start = settings_for("feature-extraction", None)
        limits = settings.limits
        self.data = gr.Dropdown(
            data_choices.choices(settings, ""),
            value=data_choices.default_choice(settings),
            allow_custom_value=True,  # an open page outlives a restart, which forgets the choices it was sent
            label="1. Photos",
            info="A folder for each class. Bring your own as a zip below.",
            elem_id="data",
        )
        self.summary = gr.HTML(elem_id="summary")
        with gr.Accordion("Upload a zip of class folders", open=False, elem_id="upload"):
            self.upload = gr.File(
                label=f"Zip, at most {limits.archive_bytes // MEGABYTE:,} MB and {limits.images:,} photos",
                file_count="single",
                height=120,
            )
            self.forget = gr.Button("Delete my uploads", size="sm", variant="stop")
        self.architecture = gr.Dropdown(
            backbone_choices(settings),
            value=DEFAULT_ARCHITECTURE,
            label="2. Backbone",
            info="The network that already knows how to see.",
            elem_id="architecture",
        )
        self.strategy = gr.Radio(
            [(title, name) for name, (title, _) in STRATEGIES.items()],
            value="feature-extraction",
            label="3. What learns",
            elem_id="strategy",
        )
        self.explained = gr.HTML(explanation("feature-extraction"))
        self.epochs = gr.Number(start["epochs"], label="4. Epochs", info="How often every photo is learnt from.")
        with gr.Accordion("Advanced settings", open=False, elem_id="advanced"):
            self.preset = gr.Radio([(k, v or "") for k, v in PRESETS.items()], value="", label="Preset")
            self.advanced = {name: make(start[name]) for name, make in ADVANCED.items()}
        self._connect()

    @property
    def options(self) -> dict[str, Component]:
        """Engine option -> control."""
        named = {"data": self.data, "architecture": self.architecture, "strategy": self.strategy, "epochs": self.epochs}
        return named | self.advanced

    def _connect(self) -> None:
        tuned = [self.epochs, *self.advanced.values()]
        gr.on([self.strategy.input, self.preset.input], _retuned, [self.strategy, self.preset], tuned, **QUIET)
        self.strategy.change(explanation, self.strategy, self.explained, **QUIET)
        # Reading a large folder takes a moment, so this one shows that it works.
        self.data.change(self.describe, [self.data, self.workspace], self.summary, api_visibility="private")
        uploaded = [self.data, self.summary, self.upload]
        self.upload.upload(self.take, [self.upload, self.workspace], uploaded, api_visibility="private")
        self.forget.click(self.delete, self.workspace, [self.data, self.summary], **QUIET)

    def describe(self, choice: str | None, workspace: str) -> str:
        """What is in the chosen data set; what is wrong with it is said in its place."""
        if not choice:
            return ""
        try:
            owner = checked_workspace(workspace) if workspace else None
            return summary_html(data_choices.described(choice, self.settings, owner))
        except EngineError as error:
            return f'<div class="tl-data tl-problem" role="alert"><p>{text(error, 500)}</p></div>'

    def take(self, file: str | None, workspace: str) -> tuple[Any, str, None]:
        """A visitor's zip becomes a data set of theirs, chosen at once; the upload itself is not kept."""
        if not file:
            raise refused(EngineError("No file arrived: choose a zip of class folders."))
        try:
            owner = checked_workspace(workspace)
            choice, data = data_choices.take_upload(Path(file), self.settings, owner)
        except EngineError as error:
            raise refused(error) from None
        finally:
            if file.endswith(".zip"):  # a program may name any file of Gradio's cache here
                Path(file).unlink(missing_ok=True)
        return gr.Dropdown(data_choices.choices(self.settings, owner), value=choice), summary_html(data), None

    def delete(self, workspace: str) -> tuple[Any, str]:
        """Remove what this visitor uploaded."""
        try:
            owner = checked_workspace(workspace)
        except EngineError as error:
            raise refused(error) from None
        number = data_choices.delete_uploads(self.settings, owner)
        gr.Info(f"Deleted: {plural(number, 'uploaded data set')}.")
        choice = data_choices.default_choice(self.settings)
        return gr.Dropdown(data_choices.choices(self.settings, owner), value=choice), self.describe(choice, owner)


def explanation(strategy: str) -> str:
    """The sentence under the strategies."""
    return f'<p class="tl-hint">{STRATEGIES[strategy][1]}</p>' if strategy in STRATEGIES else ""


def _retuned(strategy: str, preset: str) -> list[Any]:
    return list(settings_for(strategy, preset or None).values())
