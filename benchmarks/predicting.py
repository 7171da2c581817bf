"""Prediction in one process, imports done: the bare network against `Predictor`, alone and called by many threads.

A program of its own (`python -m benchmarks.predicting --help`). It prints json: the median milliseconds of each.
"""

import argparse
import functools
import importlib
import importlib.util
import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench, Probe, ask
from benchmarks.photos import make_photos

if TYPE_CHECKING:  # torch is imported by the program that measures, not by the one that starts it
    from tl_engine.classifiers.predictor import Predictor

Calls = dict[str, Callable[[], object]]
THREADS = 30
WARMING = 3  # calls before the clock starts
GIVES = (
    "Predictor",
    "bare in float32",
    "bare in bfloat16",
    "30 threads",
    "30 at once in float32",
    "30 at once in bfloat16",
)


def measure(bench: Bench, _turn: int) -> Mapping[str, float]:
    """A process of its own with thirty photos."""
    photos = bench.folder("photos")
    make_photos(bench.data, photos, THREADS)
    place = ["--photos", str(photos), "--architecture", bench.architecture, "--weights-dir", str(bench.weights_dir)]
    _, answer = ask("predicting", *place, "--calls", str(bench.calls))
    return {name: answer[name] for name in GIVES}


PROBES = (Probe(gives=GIVES, run=measure),)


def medians(calls: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Milliseconds of each call, the median of `times`; the calls take turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(WARMING + times):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn >= WARMING:
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


def make_predictor(name: str, weights_dir: Path) -> "Predictor":
    """The backbone as a classifier of 1,000 classes; its head is new, since weight files may leave theirs out."""
    from tl_engine.backbones.architectures import get_architecture
    from tl_engine.backbones.weights import load_weights
    from tl_engine.base.settings import Settings
    from tl_engine.classifiers.predictor import Predictor
    from tl_engine.networks.models import build_model
    from tl_engine.networks.preprocessing import preprocess_for

    architecture = get_architecture(name)
    weights, source = load_weights(architecture, Settings.make(weights_dir=str(weights_dir)))
    classes = [str(number) for number in range(1000)]
    model = build_model(architecture, len(classes), weights)
    return Predictor(model, architecture, preprocess_for(architecture, source.preprocess), classes)


def shared(predictor: Any) -> Any:
    """What many threads call: the batching predictor, where there is one."""
    if importlib.util.find_spec("tl_engine.classifiers.batching") is None:
        return predictor
    return importlib.import_module("tl_engine.classifiers.batching").BatchingPredictor(predictor)


def all_at_once(predict: Callable[[Path], object], photos: Sequence[Path]) -> None:
    """A thread for each photo, all let go together; returns when the last has its answer."""
    failed: list[BaseException] = []
    gate = threading.Barrier(len(photos))

    def one(photo: Path) -> None:
        try:
            gate.wait()
            predict(photo)
        except BaseException as error:  # said below, in the thread that measures
            failed.append(error)

    threads = [threading.Thread(target=one, args=[photo]) for photo in photos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predicting", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="Folder with JPEG files.")
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--weights-dir", type=Path, required=True)
    parser.add_argument("--calls", type=int, default=40)
    options = parser.parse_args()
    photos = sorted(options.photos.iterdir())
    from benchmarks.floor import PRECISIONS, Bare

    predictor = make_predictor(options.architecture, options.weights_dir)
    batching = shared(predictor)
    bare = {name: Bare(options.architecture, options.weights_dir, name) for name in PRECISIONS}
    one: Calls = {f"bare in {name}": functools.partial(network, photos[:1]) for name, network in bare.items()}
    many: Calls = {f"30 at once in {name}": functools.partial(network, photos) for name, network in bare.items()}
    one["Predictor"] = lambda: predictor.probabilities(predictor.open(photos[0]))
    many["30 threads"] = lambda: all_at_once(lambda photo: batching.probabilities(predictor.open(photo)), photos)
    print(json.dumps(medians(one, options.calls) | medians(many, max(1, options.calls // 4))))


if __name__ == "__main__":
    main()
