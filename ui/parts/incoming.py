"""Files from a browser: the one guard that every value of every call passes before anybody opens what it names.

Gradio checks only those file objects that carry a mark which the client sets itself.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import route_utils
from gradio.route_utils import GradioMultiPartParser, GradioUploadFile
from starlette.formparsers import MultiPartException

from tl_engine.base.errors import EngineError
from tl_engine.workspaces.scratch import handed_folder
from ui.gate.bodies import noting
from ui.parts.refusal import refused

# Gradio keeps what arrives, and what an answer shows, in a folder named by a hash.
HASHED = re.compile(r"[0-9a-f]{64}")
# One and the same for every path, so that nobody learns which files there are.
FOREIGN = "A file in this request did not arrive by the upload of this page: choose it again."
MOST_FIELD = 64_000  # bytes of a field beside the files, which Gradio holds in memory


class BoundedParser(GradioMultiPartParser):
    """Gradio's, which takes a field of any length, and keeps one file where two visitors send the same.

    What one of them has used up would be gone for the other.
    """

    def on_headers_finished(self) -> None:
        """Called before the first byte of a part."""
        super().on_headers_finished()
        if isinstance(self._current_part.file, GradioUploadFile):
            self._current_part.file.sha.update(secrets.token_bytes(16))  # its folder is named by that

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        """Called with each piece of what is between two boundaries."""
        if self._current_part.file is None and len(self._current_part.data) + end - start > MOST_FIELD:
            raise MultiPartException("What stands beside the files is longer than is taken: send the files alone.")
        super().on_part_data(data, start, end)


def bound_uploads() -> None:
    """Have Gradio's uploads bounded in memory, and told of to the gate, which removes what a cut one leaves."""
    if route_utils.GradioMultiPartParser is not BoundedParser:
        route_utils.GradioMultiPartParser = BoundedParser  # type: ignore[misc]
        route_utils.NamedTemporaryFile = noting(route_utils.NamedTemporaryFile)  # type: ignore[attr-defined]


def guard(page: gr.Blocks) -> None:
    """Refuse every call whose values name a file that was not uploaded here, whichever function it is for."""
    bound_uploads()
    checked_by_gradio = page.preprocess_data

    async def preprocess_data(block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        if not all(arrived(path) for path in named_files(inputs)):
            raise refused(EngineError(FOREIGN))
        return await checked_by_gradio(block_fn, inputs, *rest, **named)

    page.preprocess_data = preprocess_data  # type: ignore[method-assign]


def named_files(value: Any) -> Iterator[Any]:
    """Whatever stands where Gradio would read a file's path, in values however deep."""
    if isinstance(value, dict):
        if "path" in value and value["path"] is not None:
            yield value["path"]
        for inner in value.values():
            yield from named_files(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from named_files(inner)


def arrived(path: Any) -> bool:
    """Whether that is a regular file which this server keeps because somebody sent it or was shown it."""
    if not isinstance(path, str) or "\0" in path:
        return False
    try:
        folder, file = handed_folder().resolve(), Path(path).resolve()
        below = file.relative_to(folder).parts
        return bool(HASHED.fullmatch(below[0])) and len(below) > 1 and os.path.isfile(file)  # noqa: PTH113
    except (OSError, ValueError, RuntimeError, IndexError):
        return False
