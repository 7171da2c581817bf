"""How it learns: the settings of a training. They work as they are."""

from typing import Any

import gradio as gr

from tl_engine.backbones.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, Architecture
from tl_engine.backbones.weights import find_weights
from tl_engine.base.settings import Settings
from tl_engine.runs.config import TrainConfig
from tl_engine.vitals.limits import limits_words
from ui.parts.components import Updates
from ui.parts.wording import PRESETS, QUIET, STRATEGIES
from ui.train.setting_controls import ADVANCED, Component, setting_control

FROM_SCRATCH, FIRST_STRATEGY = "from-scratch", "feature-extraction"
UNTRAINED = "small_vgg"


def backbone_choices(settings: Settings) -> list[tuple[str, str]]:
    """(label, name) with what each needs here; what works now comes first, what must be had first comes last."""
    rows = [(row, find_weights(row, settings)) for row in ARCHITECTURES.values()]
    rows.sort(key=lambda pair: not pair[1].available)
    return [(f"{row.label}: {_needs(row, source)}", row.name) for row, source in rows]


def _needs(row: Architecture, source: Any) -> str:
    if not row.pretrained:
        return "learns from nothing"
    return "works now" if source.available else f"needs a {source.label}"


def settings_for(strategy: str, preset: str | None) -> dict[str, Any]:
    """The values a strategy and a preset put into the form."""
    architecture = UNTRAINED if strategy == FROM_SCRATCH else DEFAULT_ARCHITECTURE
    config = TrainConfig.from_options({"data": "digits", "strategy": strategy, "architecture": architecture}, preset)
    return {name: getattr(config, name) for name in ("epochs", *ADVANCED)}


class TrainForm:
    """The controls, and what they say together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        start = settings_for(FIRST_STRATEGY, None)
        self.architecture = gr.Dropdown(
            backbone_choices(settings),
            value=DEFAULT_ARCHITECTURE,
            label="Backbone",
            info="The network that already knows how to see.",
            elem_id="architecture",
        )
        self.strategy: Any = setting_control("strategy", FIRST_STRATEGY)
        self.explained = gr.HTML(explanation(FIRST_STRATEGY))
        self.epochs = setting_control("epochs", start["epochs"])
        if given := limits_words(settings.limits):
            gr.HTML(f'<p class="tl-hint">{given}</p>', elem_id="limits", padding=False)
        with gr.Accordion("Advanced settings", open=False, elem_id="advanced"):
            self.preset = gr.Radio([(k, v or "") for k, v in PRESETS.items()], value="", label="Preset")
            self.advanced = {name: setting_control(name, start[name]) for name in ADVANCED}
        self._connect()

    @property
    def options(self) -> dict[str, Component]:
        """Engine option -> control; the data set has its own list."""
        named = {"architecture": self.architecture, "strategy": self.strategy, "epochs": self.epochs}
        return named | self.advanced

    def _connect(self) -> None:
        tuned = [self.epochs, *self.advanced.values()]
        chosen = [self.architecture, self.strategy, self.preset]
        # First: Gradio's client takes the page's first function for the first endpoint, and warns of its third input.
        self.strategy.change(explanation, self.strategy, self.explained, **QUIET)
        gr.on([self.strategy.input, self.preset.input], self.fill_in, chosen, [*tuned, self.architecture], **QUIET)
        self.architecture.input(self.suit_strategy, chosen, [*tuned, self.strategy], **QUIET)

    def fill_in(self, architecture: str, strategy: str, preset: str) -> Updates:
        """The values that a strategy and a preset stand for, and a backbone that has something to give to it."""
        row = ARCHITECTURES.get(architecture)
        unfit = strategy != FROM_SCRATCH and row is not None and not row.pretrained
        return {self.architecture: DEFAULT_ARCHITECTURE if unfit else gr.skip(), **self._values(strategy, preset)}

    def suit_strategy(self, architecture: str, strategy: str, preset: str) -> Updates:
        """A backbone that knows nothing yet can only learn from nothing."""
        row = ARCHITECTURES.get(architecture)
        if row is None or row.pretrained or strategy == FROM_SCRATCH:
            return {self.strategy: gr.skip()}
        return {self.strategy: FROM_SCRATCH, **self._values(FROM_SCRATCH, preset)}

    def _values(self, strategy: str, preset: str) -> Updates:
        return {self.options[name]: value for name, value in settings_for(strategy, preset or None).items()}


def explanation(strategy: str) -> str:
    """The sentence under the strategies."""
    return f'<p class="tl-hint">{STRATEGIES[strategy][1]}</p>' if strategy in STRATEGIES else ""
