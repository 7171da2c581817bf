"""Controls that sleep until the page knows whose it is: a press before that would make something nobody owns."""

from typing import Any

import gradio as gr

from ui.parts.components import Updates

PRESSES = frozenset(("click", "submit", "upload"))


def put_to_sleep(page: gr.Blocks, workspace: gr.BrowserState) -> list[Any]:
    """Switch off whatever starts a handler that takes the workspace when pressed; returns it, to be woken.

    All handlers are wired by then. What is off anyway stays so: its own handlers decide over it.
    """
    needing = [function for function in page.fns.values() if workspace in function.inputs]
    pressed = {key for function in needing for key, event in function.targets if event in PRESSES}
    sleeping = [
        part
        for key, part in page.blocks.items()
        # An HTML that is pressed has no such switch: it is empty until the page knows what to draw.
        if key in pressed and not isinstance(part, gr.HTML) and getattr(part, "interactive", True) is not False
    ]
    for part in sleeping:
        part.interactive = False  # type: ignore[attr-defined]
    return sleeping


def awake(sleeping: list[Any]) -> Updates:
    """The updates that wake them."""
    return {part: gr.update(interactive=True) for part in sleeping}
