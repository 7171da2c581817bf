"""Whose page it is: controls sleep until it knows, and every call that says whose it is counts as a sign of life."""

import asyncio
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.visits import seen
from tl_engine.workspaces.workspace import Workspace
from ui.parts.components import Updates

PRESSES = frozenset(("click", "submit", "upload"))
WORKSPACE_LABEL = "workspace (text)"  # of the endpoints' input


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


def hear_visitors(page: gr.Blocks, settings: Settings, workspace: gr.BrowserState) -> None:
    """Note that a workspace was heard of whenever a call names it, in whichever handler or endpoint.

    Not a subclass of Blocks: Gradio writes a .pyi for each.
    """
    read = page.preprocess_data

    async def read_and_note(block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        values = await read(block_fn, inputs, *rest, **named)
        for part, sent in zip(block_fn.inputs, inputs, strict=False):
            if part is workspace or getattr(part, "label", None) == WORKSPACE_LABEL:
                await asyncio.to_thread(_note, settings, sent)  # it may look at the disk
        return values

    page.preprocess_data = read_and_note  # type: ignore[method-assign]


def _note(settings: Settings, sent: Any) -> None:
    try:
        if sent not in ("", None):
            seen.note(Workspace.of(settings, sent))
    except EngineError:  # the handler will say so
        return
