"""The list of data sets, which several tabs show."""

from typing import Any

import gradio as gr

from tl_engine.base.settings import Settings
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import open_dropdown


def data_dropdown(settings: Settings, **options: Any) -> gr.Dropdown:
    """The list of data sets, as it is before a visitor is known; what is chosen comes with the visitor."""
    return open_dropdown(Workspace.of(settings, None).choices(), value=None, **options)
