"""Taking back the last thing that was done to a data set of one's own: photos that came, photos that went."""

import contextlib
import json
from typing import Any

import gradio as gr

from tl_engine.base.errors import EngineError
from tl_engine.base.settings import Settings
from tl_engine.base.words import plural
from tl_engine.sources.collection import Collection
from tl_engine.workspaces import forget
from ui.parts.components import Updates

ADDED, REMOVED = "added", "removed"
NOTHING = "There is nothing to undo any more."


class Undo:
    """The button, which is there while something can be taken back, and what it would take back, as json."""

    def __init__(self) -> None:
        self.button = gr.Button("Undo", size="sm", visible=False, elem_id="undo-last", min_width=190, scale=0)
        self.state = gr.Textbox("", visible=False)

    @property
    def shown(self) -> list[Any]:
        """What every change of the data set changes here."""
        return [self.button, self.state]

    def after_adding(self, name: str, since: int, number: int) -> Updates:
        """Photos came into a class; `since` is in nanoseconds since 1970."""
        if not number:
            return self.nothing()
        return self._offered(f"Undo: remove {plural(number, 'photo')}", {"did": ADDED, "class": name, "since": since})

    def after_removing(self, number: int) -> Updates:
        """Photos went, but not for good yet."""
        return (
            self._offered(f"Undo: bring back {plural(number, 'photo')}", {"did": REMOVED}) if number else self.nothing()
        )

    def _offered(self, words: str, what: dict[str, Any]) -> Updates:
        return {self.button: gr.Button(words, visible=True), self.state: json.dumps(what)}

    def nothing(self) -> Updates:
        """What was done last cannot be taken back."""
        return {self.button: gr.Button(visible=False), self.state: ""}


def began(state: str) -> int | None:
    """When the photos began to come that the page's text would take back, nanoseconds since 1970; None for others."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        since = json.loads(state)["since"]
        return since if isinstance(since, int) else None
    return None


def take_back(state: str, own: Collection, settings: Settings) -> str:
    """Undo what the page's text tells and say so. Raises EngineError; a browser sends anything."""
    try:
        what = json.loads(state)
        did, name, since = what["did"], what.get("class"), what.get("since")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise EngineError(NOTHING) from None
    if did == REMOVED:
        number, words = forget.undo_removal(own), "brought back"
    elif did == ADDED and isinstance(name, str) and isinstance(since, int):
        came = [photo.name for photo in own.added_since(name, since)]
        forget.delete_photos(own, name, came, settings)
        number, words = len(came), "removed again"
    else:
        raise EngineError(NOTHING)
    if not number:
        raise EngineError(NOTHING)
    return f"{plural(number, 'photo')} {words}."
