"""Calls whose body fits no call at all: a sentence too, where Gradio's routes answer with a list or a bare 500."""

import re
from typing import Any

from fastapi import Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

BY_ORDER = re.compile(r"/gradio_api/(call|run|api)/[^/]+/?$")
BY_NAME = re.compile(r"/gradio_api/call/v2/[^/]+/?$")
SENTENCE = (
    'A call sends a json object, {"data": [the inputs in their order]}, or to /gradio_api/call/v2 the inputs by their '
    "names: /gradio_api/info lists both."
)


async def refuse_body(request: Request, error: RequestValidationError) -> Response:
    """For a body that is no json, or not of the form that a call has."""
    if BY_ORDER.search(request.url.path) or BY_NAME.search(request.url.path):
        return JSONResponse({"error": SENTENCE}, status_code=422)
    return await request_validation_exception_handler(request, error)


async def refuse_names(request: Request, error: Exception) -> Response:
    """For a call by name whose names, or the endpoint's own, are unknown; anything else is a fault of ours."""
    if BY_NAME.search(request.url.path):
        return JSONResponse({"error": SENTENCE}, status_code=422)
    raise error


async def refuse_file(request: Request, error: HTTPException) -> Response:
    """For a file that is gone, or not for anybody: one answer, so that nobody learns which files there are."""
    if error.status_code == 403 and "/file=" in request.url.path:
        return JSONResponse({"detail": "There is no such file."}, status_code=404)
    return await http_exception_handler(request, error)


HANDLERS: dict[Any, Any] = {
    HTTPException: refuse_file,
    RequestValidationError: refuse_body,
    KeyError: refuse_names,
    TypeError: refuse_names,
}
