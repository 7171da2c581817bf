"""Every file of an export is asked about the photos that judged, and compared with the app: what fails is left out."""

import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from tl_engine.base.errors import without_paths
from tl_engine.base.events import Event, Progress
from tl_engine.graphs.graph import write_graph
from tl_engine.graphs.variants import half_weights, int8_weights
from tl_engine.sharing import verify
from tl_engine.sharing.app import App, Loaded
from tl_engine.sharing.verify import Agreement, Asked, DisagreementError

FULL, HALF, INT8, EXPORTED = "model.onnx", "model-float16.onnx", "model-int8.onnx", "model.pt2"
LITE = "model.tflite"


def checked(
    app: App, graph: ModelProto, paths: Sequence[Path], folder: Path, *, lite: bool
) -> Generator[Event, None, dict[str, Agreement]]:
    """Compare the graph, which lies in `folder`, and the copies that are made of it with the app; by file.

    A copy that is not good enough is removed. Raises DisagreementError where the graph itself is not.
    """
    yield _step(0)
    with Asked(folder, FULL, paths) as asked:  # meanwhile:
        for name, shrunk in ((HALF, half_weights), (INT8, int8_weights)):
            write_graph(shrunk(graph), folder / name)
        app_says: dict[Path, Mapping[str, Any]] = {
            path: {"probabilities": said.probabilities, "verdict": said.verdict}
            for path, said in zip(paths, app.answers(paths), strict=True)
        }
        yield _step(1)
        some = verify.a_few(paths, app.asked_of_copies)
        pixels = app.pixels(some)
        copies = {}
        for name in (HALF, INT8):  # how a photo becomes a square is the program's matter: here the very squares
            ask = functools.partial(verify.said_by_model, folder, name, pixels)
            copies[name] = _variant(ask, [app_says[path] for path in some], some)
        found = {FULL: verify.compared([app_says[path] for path in paths], asked.answers(), paths), **copies}
    verify.check_whole(found[FULL])
    yield _step(2)
    some = verify.a_few(paths, verify.MOST_SLOW)
    said = [app_says[path] for path in some]
    found[EXPORTED] = _variant(lambda: _by_class(app, app.exported(folder / EXPORTED, some)), said, some)
    if lite and isinstance(app, Loaded):
        found[LITE] = _variant(lambda: _by_class(app, app.lite(folder / LITE, some)), said, some)
    for name, agreement in found.items():
        if agreement.left_out:
            (folder / name).unlink(missing_ok=True)
    yield _step(3)
    return found


def _step(done: int) -> Progress:
    return Progress(stage="checking it against the app", done=done, total=3)


def _variant(answers: Callable[[], verify.Answers], app: verify.Answers, paths: Sequence[Path]) -> Agreement:
    """How a copy agrees. One that is not good enough, or cannot be run, says why: it fails nothing else."""
    try:
        found = verify.compared(app, answers(), paths)
    except (DisagreementError, RuntimeError, TypeError, ValueError) as error:
        reason = without_paths(str(error).split("\n", 1)[0])[:200]
        return Agreement(photos=len(paths), same_class=0, largest_difference=1.0, left_out=reason)
    return dataclasses.replace(found, left_out=verify.why_left_out(found))


def _by_class(app: App, rows: NDArray[np.float32]) -> verify.Answers:
    return [{"probabilities": dict(zip(app.classes, row.tolist(), strict=True))} for row in rows]
