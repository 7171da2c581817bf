"""The list of data sets, which several tabs show."""

from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.workspaces import data_choices


def data_dropdown(settings: Settings, **options: Any) -> gr.Dropdown:
    """The list of data sets, as it is before a visitor is known."""
    return gr.Dropdown(
        data_choices.choices(settings, ""),
        value=data_choices.default_choice(settings),
        allow_custom_value=True,  # an open page outlives a restart, which forgets the choices it was sent
        **options,
    )
