"""Handlers that change something or may refuse: queued in a lane of their own, answered beside what was pressed.

Past the queue Gradio answers a refusal with a bare 500 and shows nothing; a toast lies over the page, far from the
press. So whatever a person presses says what became of it in a line of its own.
"""

import functools
import logging
import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError, WeightsError
from tl_engine.base.words import plural
from ui.parts.components import Updates
from ui.parts.refusal import page_words
from ui.parts.wording import UNSEEN, text

LOG = logging.getLogger("tl_engine")
AT_ONCE = 16  # presses answered at once, apart from predictions, uploads and checks, which have lanes of their own


def said_line(name: str) -> gr.HTML:
    """The place beside a button where its answer stands."""
    return gr.HTML("", elem_id=name, elem_classes="tl-said", padding=False)


def answer_html(sentence: str, *, alert: bool = False) -> str:
    """A sentence in that place. It is new each time, so that the same answer to a second press is seen and read."""
    kind, role = ("tl-problem", "alert") if alert else ("tl-done", "status")
    return f'<p class="{kind}" role="{role}" data-at="{secrets.token_hex(3)}">{text(sentence, 500)}</p>'


def answering(handler: Callable[..., Updates], said: gr.HTML) -> Callable[..., Updates]:
    """The handler, whose refusals stand in `said`, which any other answer empties or fills itself."""

    @functools.wraps(handler)
    def answered(*values: Any, **named: Any) -> Updates:
        try:
            return {said: "", **handler(*values, **named)}
        except EngineError as error:
            log_refusal(handler, error)
            return {said: answer_html(page_words(error), alert=True)}

    return answered


def log_refusal(handler: Callable[..., Any], error: EngineError) -> None:
    """One line for the host: what was refused, without a visitor's words; of missing weights what a host can do."""
    more = f": {error}" if isinstance(error, WeightsError) else ""
    named = getattr(handler, "func", handler)  # of a partial, what it calls
    name = named.__name__.replace("_", " ")
    LOG.info("refused to %s (%s)%s", name, type(error).__name__, more)


def act(
    listeners: Any, handler: Callable[..., Updates], inputs: Any, outputs: list[Any], said: gr.HTML, **options: Any
) -> Any:
    """Wire a handler that changes something or may refuse; its answer stands in `said`."""
    lane = {"concurrency_limit": AT_ONCE, "concurrency_id": "act", **UNSEEN}
    return gr.on(
        listeners, answering(handler, said), inputs, [*outputs, said], api_visibility="private", **(lane | options)
    )


def removed_words(number: int) -> str:
    """What became of marked photos."""
    return f"{plural(number, 'photo')} removed."
