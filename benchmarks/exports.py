"""An export beside the app: right answers and milliseconds a photo, of each of its files on the same photos.

`python -m benchmarks.exports RUN [--runs DIR] [--weights-dir DIR]` prints a table; the calls take turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.evaluation.judged import read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.find import named_run
from tl_engine.sharing.bundle import FULL, HALF, INT8, make_bundle

Pixels = NDArray[np.uint8]
Call = Callable[[Pixels], NDArray[np.float32]]  # (N, S, S, 3) to probabilities (N, C)
SINGLES = 40  # photos asked for one by one


def milliseconds(calls: dict[str, Call], pixels: Pixels) -> dict[str, float]:
    """The median of one photo, the calls taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(min(SINGLES, len(pixels))):
        for name, call in calls.items():
            started = time.perf_counter()
            call(pixels[index : index + 1])
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times[3:]) for name, times in taken.items()}


def onnx_call(path: Path) -> Call:
    """What a file of the bundle says, as its predict.py asks it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def call(pixels: Pixels) -> NDArray[np.float32]:
        said: list[Any] = session.run(["probabilities"], {"pixels": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))})
        answer: NDArray[np.float32] = said[0]
        return answer

    return call


def main(argv: Sequence[str] | None = None) -> None:
    """Export, ask all, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("run")
    for name in ("runs", "cache-dir", "weights-dir"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args(argv)
    settings = Settings.make(runs=given.runs, cache_dir=given.cache_dir, weights_dir=given.weights_dir)
    run = named_run(given.run, settings)
    from tl_engine.classifiers.predictor import Predictor

    predictor = Predictor.load(run.best, settings)
    judged, photos = next(iter(read_judged(run.report).values())), RunPhotos.of(run)
    there = [(p, label) for file, label in zip(judged.files, judged.labels, strict=True) if (p := photos.path(file))]
    pixels = np.stack([np.asarray(predictor.preprocess.view(predictor.open(path))) for path, _ in there])
    labels = np.array([label for _, label in there])
    with tempfile.TemporaryDirectory() as place:
        started = time.perf_counter()
        bundle = watched(make_bundle(run.best, settings, Path(place)), lambda _event: None)
        seconds = time.perf_counter() - started
        files = {name: Path(place, name) for name in (FULL, HALF, INT8) if Path(place, name).is_file()}
        calls: dict[str, Call] = {"the app": predictor.of_views} | {n: onnx_call(p) for n, p in files.items()}
        app, fast = calls["the app"](pixels), milliseconds(calls, pixels)
        print(f"{given.run}, {len(labels)} photos, exported and checked in {seconds:.1f} s ({bundle.photos})\n")
        print("| what | MB | right | as the app | largest difference | ms a photo |\n|---|---|---|---|---|---|")
        for name, call in calls.items():
            said = call(pixels)
            size = f"{files[name].stat().st_size / 1e6:.1f}" if name in files else ""
            right, same = (said.argmax(1) == labels).mean(), (said.argmax(1) == app.argmax(1)).sum()
            print(f"| {name} | {size} | {right:.3f} | {same} | {np.abs(said - app).max():.1e} | {fast[name]:.1f} |")


if __name__ == "__main__":
    main()
