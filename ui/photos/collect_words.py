"""What the Collect view says: counts, what became of an upload, what to do first."""

import html
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.words import plural
from tl_engine.sources.collection import Collection
from ui.parts.wording import text

NO_CLASS = "Add a class first: name it above."
SHOWN_REFUSALS = 3  # files named in one sentence


def named_class(name: str | None) -> str:
    """The class that is open. Raises EngineError when none is."""
    if not name or not isinstance(name, str):  # a browser sends anything
        raise EngineError(NO_CLASS)
    return name


def hint(sentence: str) -> str:
    """A quiet line."""
    return f'<p class="tl-hint">{html.escape(sentence)}</p>'


def class_list(own: Collection, current: str | None) -> Any:
    """The list of classes with their counts."""
    counts = own.counts()
    listed = [(f"{name} ({number:,})", name) for name, number in counts.items()]
    return gr.Radio(choices=listed, value=current if current in counts else None)


def count_words(own: Collection, name: str | None) -> str:
    """How many photos a class has."""
    number = own.counts().get(name or "", 0)
    return f'<p role="status">{plural(number, "photo")} in {text(name)}</p>'


def taken_words(kept: int, refusals: list[str]) -> str:
    """What became of an upload, in words."""
    more = f"<li>and {len(refusals) - SHOWN_REFUSALS} more</li>" if len(refusals) > SHOWN_REFUSALS else ""
    listed = "".join(f"<li>{text(reason, 200)}</li>" for reason in refusals[:SHOWN_REFUSALS]) + more
    left_out = f"<p>{plural(len(refusals), 'file')} left out:</p><ul>{listed}</ul>" if refusals else ""
    return f'<div class="tl-data" role="status"><p>{plural(kept, "photo")} added.</p>{left_out}</div>'
