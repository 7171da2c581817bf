"""How good: the figures of photos that were judged, each with what it can be compared with. No torch here."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tl_engine.evaluation.calibration import (
    Probabilities,
    calibration_error,
    cross_fitted,
    losses,
    perfect_error,
    reliability,
    softmax,
)
from tl_engine.evaluation.judged import FOLDS, Judged, Labels

LEAST_FOR_BARS = 50  # photos under which a reliability diagram shows nothing but chance
BARS = 6
DEVIATIONS = 1.959963984540054  # of a normal distribution within which 95 % of it lie
MOST_PAIRS, MOST_MISTAKES, MOST_GALLERY = 200, 60, 12  # told


def interval(right: int, photos: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share (https://doi.org/10.1080/01621459.1927.10502953), as fractions."""
    share, weight = right / photos, DEVIATIONS**2 / photos
    centre = share + weight / 2
    spread = DEVIATIONS * math.sqrt(share * (1 - share) / photos + weight / (4 * photos))
    low, high = (centre - spread) / (1 + weight), (centre + spread) / (1 + weight)
    return (0.0 if right == 0 else low), (1.0 if right == photos else high)


def probabilities_of(judged: Judged, temperature: float, *, own: bool) -> Probabilities:
    """The calibrated probabilities; `own`: the temperature was learnt from these photos, so each has another one."""
    return softmax(cross_fitted(judged.logits, judged.labels)) if own else softmax(judged.logits, temperature)


def figures(judged: Judged, classes: Sequence[str], temperature: float, *, own: bool) -> dict[str, Any]:
    """All figures, json-ready. Shares are fractions, losses in nats; None where no photo can tell."""
    labels, probabilities = judged.labels, probabilities_of(judged, temperature, own=own)
    predicted = judged.predicted
    right, photos = predicted == labels, len(labels)
    counts = np.bincount(labels, minlength=len(classes))
    confusion = confused(labels, predicted, len(classes))
    each = per_class(confusion, classes)
    recalls = [row["recall"] for row in each if row["recall"] is not None]
    return {
        "judged": judged.judge,
        "photos": photos,
        "right": int(right.sum()),
        "accuracy": float(right.mean()),
        "interval": list(interval(int(right.sum()), photos)),
        "epoch": judged.epoch,
        "epochs": judged.epochs,
        "chosen": judged.chosen,
        "majority": {"class": classes[int(counts.argmax())], "share": float(counts.max() / photos)},
        "chance": 1 / len(classes),
        "balanced_accuracy": float(np.mean(recalls)),
        "top_k": top_k(probabilities, labels),
        "classes": list(classes),
        "per_class": each,
        "confusion": confusion.tolist(),
        "pairs": pairs(confusion, classes),
        "mistakes": mistakes(judged, probabilities, classes),
        "gallery": gallery(judged, probabilities, classes),
        "temperature": temperature,
        "log_loss": float(-np.log(np.maximum(probabilities[np.arange(photos), labels], 1e-12)).mean()),
        "raw_log_loss": float(losses(judged.logits, labels).mean()),
        "calibration_error": calibration_error(probabilities, right),
        "perfect_calibration_error": perfect_error(probabilities),
        "reliability": _bars(probabilities, right),
    }


def confused(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """Photos by true class (rows) and predicted one (columns)."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def per_class(confusion: NDArray[np.int64], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class; None where nothing was said or shown of it."""
    rows = []
    for index, name in enumerate(classes):
        hit, said, shown = confusion[index, index], confusion[:, index].sum(), confusion[index].sum()
        rows.append({
            "class": name,
            "precision": float(hit / said) if said else None,
            "recall": float(hit / shown) if shown else None,
            "f1": float(2 * hit / (said + shown)) if shown else None,
            "support": int(shown),
        })  # fmt: skip
    return rows


def top_k(probabilities: Probabilities, labels: Labels) -> dict[str, Any] | None:
    """How often the true class is among the k likeliest; None where that says nothing."""
    classes = probabilities.shape[1]
    if classes < 5:
        return None
    k = 5 if classes > 10 else 3
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return {"k": k, "accuracy": float((likeliest == labels[:, None]).any(1).mean())}


def pairs(confusion: NDArray[np.int64], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Which class was taken for which, the most photos first."""
    wrong = confusion * (1 - np.eye(len(classes), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    cells = [np.unravel_index(cell, wrong.shape) for cell in order]
    return [
        {"true": classes[a], "predicted": classes[b], "photos": int(wrong[a, b]), "of": int(confusion[a].sum())}
        for a, b in cells
        if wrong[a, b]
    ]


def mistakes(judged: Judged, probabilities: Probabilities, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The photos that were judged wrong, the surest mistake first."""
    rows = np.flatnonzero(judged.predicted != judged.labels)
    ranked = rows[np.argsort(-probabilities[rows].max(1), kind="stable")][:MOST_MISTAKES]
    return [photo(judged, probabilities, classes, int(row)) for row in ranked]


def gallery(judged: Judged, probabilities: Probabilities, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Some judged photos, drawn by lot and the same each time, right or wrong as they come."""
    drawn = np.random.default_rng(0).permutation(len(judged.labels))[:MOST_GALLERY]
    return [photo(judged, probabilities, classes, int(row)) for row in drawn]


def photo(judged: Judged, probabilities: Probabilities, classes: Sequence[str], row: int) -> dict[str, Any]:
    """What was said of one judged photo."""
    label, predicted = int(judged.labels[row]), int(judged.predicted[row])
    return {
        "file": judged.files[row],
        "true": classes[label],
        "predicted": classes[predicted],
        "probability": round(float(probabilities[row, predicted]), 4),
        "probability_of_true": round(float(probabilities[row, label]), 4),
    }


def hardest(judged: Judged, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The classes by how badly their photos are judged, with what each is taken for most; the worst first."""
    each, predicted = losses(judged.logits, judged.labels), judged.predicted
    found = []
    for label, name in enumerate(classes):
        own = judged.labels == label
        if own.any():
            taken = np.bincount(predicted[own & (predicted != label)], minlength=len(classes))
            other = classes[int(taken.argmax())] if taken.any() else None
            found.append({"class": name, "loss": float(each[own].mean()), "photos": int(own.sum()),
                          "wrong": int(taken.sum()), "taken_for": other})  # fmt: skip
    return sorted(found, key=lambda row: -row["loss"])


def _bars(probabilities: Probabilities, right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    if len(right) < LEAST_FOR_BARS:
        return []
    bars = []
    for confidence, hits, photos in reliability(probabilities, right, BARS):
        low, high = interval(hits, photos)
        bars.append({"confidence": confidence, "right": hits, "photos": photos, "interval": [low, high]})
    return bars


def temperature_is_own(judged: Judged, known: Sequence[str]) -> bool:
    """Whether the temperature was learnt from these photos: from the folds where there are some, else validation's."""
    return judged.judge == (FOLDS if FOLDS in known else "val")
