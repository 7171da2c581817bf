"""The engine's refusals as toasts: only the page turns an EngineError into words on the screen, the engine's own."""

import functools
import html
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from tl_engine.errors import EngineError

P = ParamSpec("P")
R = TypeVar("R")


def refused(error: EngineError) -> gr.Error:
    """The engine's own words as a toast. Toasts render HTML, so names in it are escaped."""
    return gr.Error(html.escape(str(error)), title="This did not work", duration=20, print_exception=False)


def in_words(handler: Callable[P, R]) -> Callable[P, R]:
    """A handler whose EngineErrors are shown as toasts."""

    @functools.wraps(handler)
    def worded(*values: P.args, **named: P.kwargs) -> R:
        try:
            return handler(*values, **named)
        except EngineError as error:
            raise refused(error) from None

    return worded
