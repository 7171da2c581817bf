"""Runs that have ended, made up: with all that a list, a plot or a comparison reads of one; nothing was trained."""

import json

import numpy as np

from tl_engine.base.events import DataRead, EpochEnd, RunEnded, to_json
from tl_engine.base.settings import Settings
from tl_engine.evaluation.judged import VAL, Judged
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.meta import BackboneMeta, Figures, Learned, Meta
from tl_engine.runs.run import EVENTS, Run
from tl_engine.runs.saved_classifier import TENSORS

OWNER = "a" * 32
CLASSES, EACH, EPOCHS = ("ants", "bees"), 76, 8
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
