"""A control for a setting of a training. Its sentence, range and choices are the setting's own; labels are here."""

from typing import Any

import gradio as gr

from tl_engine.runs.config import SETTINGS
from ui.parts.components import number_input
from ui.parts.wording import FIT_WORDS, STRATEGIES

Component = gr.components.Component
LABELS = {
    "strategy": "What learns",
    "epochs": "Epochs",
    "learning_rate": "Learning rate",
    "batch_size": "Batch size",
    "optimizer": "Optimizer",
    "schedule": "Schedule",
    "augmentation": "Augmentation",
    "fit": "Square by",
    "weight_decay": "Weight decay",
    "label_smoothing": "Label smoothing",
    "class_weights": "Weigh rare classes more",
    "early_stopping": "Early stopping",
    "val_fraction": "Validation share",
    "seed": "Seed",
}
FIRST = ("strategy", "epochs")  # the others are advanced
ADVANCED = tuple(name for name in LABELS if name not in FIRST)
CHOICE_LABELS = {"fit": FIT_WORDS, "strategy": {name: title for name, (title, _) in STRATEGIES.items()}}


def setting_control(name: str, value: Any) -> Component:
    """The control of one setting, with that value in it."""
    setting = SETTINGS[name]
    shown: dict[str, Any] = {"value": value, "label": LABELS[name], "info": setting.text}
    if setting.choices:
        words = CHOICE_LABELS.get(name, {})
        choices = [(words.get(choice, choice), choice) for choice in setting.choices]
        if name in FIRST:  # few, and worth a look at all of them
            return gr.Radio(choices, elem_id=name, **shown)
        return gr.Dropdown(choices, **shown)
    if setting.kind is bool:
        return gr.Checkbox(**shown)
    return number_input(minimum=setting.low, maximum=setting.high, **shown)
