"""What the gate says: one sentence, in the form in which the page, a program and a person each read it."""

import math
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from tl_engine.base.words import duration

UPLOAD = "/gradio_api/upload"
UNEXPECTED = "Something unexpected went wrong here: try again; the program's log says what it was."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further; `wait` in seconds, where it may come again."""

    status: int
    sentence: str
    wait: float = 0


def path_of(scope: Scope) -> str:
    """The path asked for, without a slash at its end."""
    return str(scope["path"]).rstrip("/") or "/"


def is_upload(scope: Scope) -> bool:
    """Whether files arrive with it."""
    return path_of(scope) == UPLOAD


def wants_html(scope: Scope) -> bool:
    """Whether a person reads the answer in a browser; a page's own calls and programs do not ask for that."""
    return "text/html" in Headers(scope=scope).get("accept", "")


def share_waits(seconds: float) -> str:
    """To somebody as many of whose calls wait as may."""
    return (
        "As many of your calls wait here already as one person may have waiting: "
        f"come back in about {duration(max(1, round(seconds)))}."
    )


def answer(refusal: Refusal, scope: Scope) -> Response:
    """The refusal as a response: Gradio's client shows `detail` of a call, and of an upload the text as it is."""
    headers = {"Cache-Control": "no-store"}
    if refusal.wait:
        headers["Retry-After"] = str(math.ceil(refusal.wait))
    if is_upload(scope) or wants_html(scope):
        return PlainTextResponse(refusal.sentence, refusal.status, headers)
    said = {"error": refusal.sentence, "detail": refusal.sentence}
    return JSONResponse(said, refusal.status, headers)
