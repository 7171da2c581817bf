"""Refusals as toasts and as answers to programs: only here an EngineError becomes Gradio's, in its own words."""

import functools
import html
import logging
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from tl_engine.base.errors import EngineError, Question, WeightsError
from ui.gate.answers import UNEXPECTED
from ui.gate.health import CRASH
from ui.parts.wording import text

LOG = logging.getLogger("tl_engine")
P = ParamSpec("P")
R = TypeVar("R")


def page_words(error: EngineError) -> str:
    """The engine's words for a visitor, who has no terminal: of a question only what is asked, to be picked."""
    if isinstance(error, WeightsError) and error.for_visitors:
        return error.for_visitors
    return re.sub(r"[:;,] [^:;]*--\w.*$", ".", str(error)) if isinstance(error, Question) else str(error)


def refused(error: EngineError) -> gr.Error:
    """The engine's own words as a toast. Toasts render HTML, so names in it are escaped."""
    return gr.Error(html.escape(page_words(error)), title="This did not work", duration=20, print_exception=False)


def problem_html(error: EngineError) -> str:
    """A refusal, or what is asked, in the place of the summary."""
    return f'<div class="tl-data tl-problem" role="alert"><p>{text(page_words(error), 500)}</p></div>'


def answered(error: EngineError) -> gr.Error:
    """The same words for a program, which reads letters and no HTML."""
    return gr.Error(str(error), print_exception=False)


def answer_in_words(page: gr.Blocks) -> None:
    """Put a sentence where Gradio itself would answer `{"error": null}`: before a handler, and when one breaks.

    Not a subclass of Blocks: Gradio writes a .pyi for each.
    """
    read, process = page.preprocess_data, page.process_api

    async def read_in_words(block_fn: Any, inputs: list[Any], *values: Any, **named: Any) -> Any:
        try:
            return await read(block_fn, _completed(block_fn, inputs), *values, **named)
        except gr.Error:
            raise
        except Exception:  # too few inputs, another type, a file from elsewhere: whatever the components raise
            raise gr.Error(_unreadable(block_fn), print_exception=False) from None

    async def process_in_words(*values: Any, **named: Any) -> Any:
        try:
            return await process(*values, **named)
        except gr.Error:
            raise
        except Exception as error:
            LOG.error("a handler failed: %s", type(error).__name__, extra={CRASH: type(error).__name__})
            raise gr.Error(UNEXPECTED) from error

    page.preprocess_data = read_in_words  # type: ignore[method-assign]
    page.process_api = process_in_words  # type: ignore[method-assign]


def _completed(block_fn: Any, inputs: list[Any]) -> list[Any]:
    """A program's inputs with the defaults of those it left out at the end: older programs know fewer."""
    given = list(inputs)
    for part in block_fn.inputs[len(given) :] if block_fn.api_visibility == "public" else ():
        if getattr(part, "value", None) is None:
            break
        given.append(part.value)
    return given


def _unreadable(block_fn: Any) -> str:
    """What a call takes, without a word of what was sent: that may name files of the host."""
    if block_fn.api_visibility != "public":
        return "This page and its server no longer understand each other: reload the page."
    wanted = " and ".join(block.label for block in block_fn.inputs)
    return f"/{block_fn.api_name} takes {wanted}: what was sent is something else."


def in_words(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose EngineErrors are shown as toasts."""

    @functools.wraps(handler)
    def worded(*values: P.args, **named: P.kwargs) -> R:
        try:
            return handler(*values, **named)
        except EngineError as error:
            raise refused(error) from None

    return worded
