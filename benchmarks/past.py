"""What a long past costs: the queue, pages and lists beside thousands of runs that have ended."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tl_engine.base.events import DataRead, EpochEnd, RunEnded, to_json
from tl_engine.base.settings import Settings
from tl_engine.evaluation.judged import VAL, Judged
from tl_engine.ledger import listing
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import BackboneMeta, Figures, Learned, Meta
from tl_engine.runs.run import EVENTS, Run
from tl_engine.runs.saved_classifier import TENSORS
from tl_engine.workspaces.classifier_pool import ClassifierPool
from tl_engine.workspaces.workspace import Workspace, things
from ui.page import Page
from ui.runs.table import NEWEST
from ui.train.run_view import EventReader, view

ROUNDS = 20
OWNER = "a" * 32
CLASSES, EACH, EPOCHS = ("ants", "bees"), 76, 8
NUMBERS = (10, 1_000)
CONFIGS = tuple(
    TrainConfig.from_options({"data": "digits", "strategy": "fine-tuning", "epochs": EPOCHS + extra})
    for extra in range(5)
)


def ended_run(settings: Settings, number: int, workspace: str | None = OWNER) -> Run:
    """A run that has ended, with all that a list, a plot or a comparison reads of it; of its classifier no weights."""
    name = f"{number:032x}"
    run = queue.create(CONFIGS[number % 5], settings, name, workspace=workspace, process=1, title=f"Set {number % 7}")
    photos = EACH * len(CLASSES)
    accuracy = (photos - number % 20) / photos
    epochs = [
        EpochEnd(
            epoch=e, epochs=EPOCHS, phase="all", train_loss=1 / e, train_accuracy=0.9, learning_rate=1e-4, best=True,
            val_loss=1 / e + number % 3 / 9, val_accuracy=accuracy - (EPOCHS - e) / 50, seconds=1.0,
        )
        for e in range(1, EPOCHS + 1)
    ]  # fmt: skip
    told = [
        DataRead(classes=CLASSES, counts={c: {"train": 120, "val": EACH} for c in CLASSES}, judge=VAL),
        *epochs,
        RunEnded(state="finished", reason="all epochs done", run_folder=str(run.folder), best_val_accuracy=accuracy,
                 best_epoch=EPOCHS, seconds=20.0 + number % 50),
    ]  # fmt: skip
    (run.folder / EVENTS).write_text("".join(to_json(event) + "\n" for event in told), encoding="utf-8")
    run.best.mkdir()
    (run.best / TENSORS).write_bytes(b"\0" * 10_000)
    Meta(architecture="efficientnet_lite0", backbone=BackboneMeta(weights="a file", hash=None), learned=Learned.ALL,
         classes=CLASSES, preprocessing={}, figures=Figures(epoch=EPOCHS, val_accuracy=accuracy, val_loss=0.1),
         ).write(run.best, {})  # fmt: skip
    run.report.mkdir()
    labels = np.repeat(np.arange(len(CLASSES)), EACH)
    said = np.where(np.arange(photos) < photos - number % 20, labels, 1 - labels)
    files = tuple(f"{CLASSES[label]}/{row}.jpg" for row, label in enumerate(labels))
    Judged(judge=VAL, files=files, labels=labels.astype(np.int64), logits=4 * np.eye(2, dtype=np.float32)[said],
           epoch=EPOCHS, epochs=EPOCHS, chosen=True).write(run.report)  # fmt: skip
    listed = [{"file": file, "class": CLASSES[label], "split": VAL, "size": 1, "sha256": f"{row:064x}"}
              for row, (file, label) in enumerate(zip(files, labels, strict=True))]  # fmt: skip
    run.manifest.write_text(json.dumps({"format": 1, "classes": CLASSES, "photos": listed}), encoding="utf-8")
    return run


def milliseconds(work: Callable[[], object]) -> float:
    """The median of some calls; the first one, which reads what none has read yet, is not among them."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return sorted(times)[ROUNDS // 2]


def once(work: Callable[[], object]) -> float:
    """Milliseconds of the first call."""
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)


def beside(ended: int, place: Path) -> dict[str, float]:
    """Milliseconds of what pages and the queue ask, beside so many runs that have ended."""
    settings = Settings(runs=place / "runs", cache=place / "cache", uploads=place / "uploads", data_dir=place / "data")
    runs = [ended_run(settings, number) for number in range(ended)]
    queue.advance(settings)
    measured = {"one look of the queue's caretaker": milliseconds(lambda: queue.advance(settings))}
    waiting = queue.create(CONFIGS[0], settings, "waiting")
    reader = EventReader()
    page = Page(settings, ClassifierPool(settings), None)
    time.sleep(listing.SETTLED / 1e9 + 0.5)  # what was made a moment ago is looked at again each time
    visitor, last = Workspace(settings, OWNER), runs[-1].name
    request: Any = SimpleNamespace(query_params={})
    state = (OWNER, last, "", NEWEST, "0", "")

    def searched() -> object:
        return page.runs.list_runs(OWNER, last, "finished", "Most accurate first", "0", "")

    measured["the Runs tab, first time after a start"] = once(lambda: page.runs.list_runs(*state))
    measured["a search by accuracy, first time"] = once(searched)
    measured |= {
        "one poll of a page whose run waits": milliseconds(lambda: view(waiting, settings, reader)),
        "one poll of a page whose run has ended": milliseconds(lambda: page.train.follow_run(last, OWNER, "")),
        "the page's load": milliseconds(lambda: page.restore(OWNER, {}, request)),
        "the Runs tab": milliseconds(lambda: page.runs.list_runs(*state)),
        "a search by accuracy": milliseconds(searched),
        "two runs side by side": milliseconds(lambda: page.runs.beside.show(runs[:2])),
        "the Report tab": milliseconds(lambda: page.report.show_report(last, OWNER)),
        "My things": milliseconds(lambda: things(visitor)),
    }
    return measured


def main(argv: Sequence[str] | None = None) -> int:
    """A table with the ratio of the last number of runs to the first."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.past", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, default=list(NUMBERS), help="Ended runs; by default 10 1000.")
    numbers = parser.parse_args(argv).numbers
    found = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as place:
            found.append(beside(number, Path(place)))
    print(f"| milliseconds beside so many ended runs | {' | '.join(f'{n:,}' for n in numbers)} | ratio |")
    print("|---" * (len(numbers) + 2) + "|")
    for what in found[0]:
        values = [measured[what] for measured in found]
        print(f"| {what} | {' | '.join(f'{v:.2f}' for v in values)} | {values[-1] / values[0]:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
