"""Gradio's components where they would refuse, or open, what is the engine's to judge. The only place that bends them.

Not subclasses: Gradio writes a .pyi for each.
"""

from typing import Any

import gradio as gr

Updates = dict[Any, Any]  # component -> its new value; what a handler returns


def photo_input(**options: Any) -> gr.Image:
    """An Image whose file reaches the handler unopened, so that the one door for pictures can refuse it in words.

    Gradio itself would open it first and answer a bare "Error".
    """
    image = gr.Image(type="filepath", **options)
    # The path lies in Gradio's cache; Gradio has checked that before.
    image.preprocess = lambda payload: str(payload.path) if payload and payload.path else None  # type: ignore[method-assign]
    return image


def photos_button(label: str, **options: Any) -> gr.UploadButton:
    """A button that takes photos; files of another kind reach the handler too, which names them.

    Gradio's own `file_types` would drop those without a word; page.js has the picker offer pictures. Gradio's reading
    would leave an empty file behind for each.
    """
    button = gr.UploadButton(label, file_count="multiple", **options)
    button.preprocess = lambda payload: [file.path for file in payload.root] if payload else []  # type: ignore[method-assign, union-attr]
    return button


def open_radio(**options: Any) -> gr.Radio:
    """A Radio that takes any text: an open page outlives a restart, which forgets the choices that the page was sent.

    The handler gets "" for what is no text, and looks itself whether the choice is there.
    """
    radio = gr.Radio([], **options)
    radio.preprocess = lambda payload: payload if isinstance(payload, str) else ""  # type: ignore[method-assign]
    return radio


def open_dropdown(choices: list[tuple[str, str]], **options: Any) -> gr.Dropdown:
    """A Dropdown that takes any text, for the same reason."""
    return gr.Dropdown(choices, allow_custom_value=True, **options)


def number_input(value: float, **options: Any) -> gr.Number:
    """A Number that shows its range to the browser and leaves refusing to the engine, which names the setting."""
    number = gr.Number(value, **options)
    number.preprocess = lambda payload: payload  # type: ignore[method-assign]
    return number
