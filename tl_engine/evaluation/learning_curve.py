"""What more photos would bring: heads solved on shares of them, judged as the run was. From features, in seconds.

No accuracy is foretold: a power law through these points was too hopeful in three of four sets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tl_engine.evaluation.calibration import losses
from tl_engine.inspection.findings import Features
from tl_engine.inspection.folds import FOLDS

SHARES = (0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0)
DRAWS = 4
ITERATIONS = 25
MOST_WORK = 5e7  # photos times numbers of a feature times classes; beyond that fewer shares and one draw are tried
STILL_RISING = 2.0  # standard errors by which the loss must fall over the last step
# By share: for each draw the photos that taught, and of each photo that judged the loss and whether it was right.
Points = dict[float, list[tuple[int, NDArray[np.float64], NDArray[np.bool_]]]]


@dataclass(frozen=True, slots=True)
class Learnt:
    """Photos that teach and those that judge, as features (N, D), (M, D)."""

    features: Features
    labels: NDArray[np.int64]
    judges: Features
    judge_labels: NDArray[np.int64]
    folds: NDArray[np.int64] | None  # of each photo that teaches, which then judge themselves; None: others judge


def learning_curve(learnt: Learnt, classes: int, seed: int = 0) -> dict[str, Any] | None:
    """Accuracy and loss by the share of the photos that taught, with the spread of the draws; None for few photos."""
    counts = np.bincount(learnt.labels, minlength=classes)
    if counts.min() < 4 or len(learnt.judge_labels) == 0:
        return None
    draws, shares = DRAWS, list(SHARES)
    if learnt.features.size * classes > MOST_WORK:
        draws, shares = 1, [0.1, 0.25, 0.5, 1.0]
    held = _held_out(learnt, draws)
    masks = [
        (share, draw, _taught(learnt, share, draw, seed) & ~held[draw]) for draw in range(draws) for share in shares
    ]
    masks = [(share, draw, mask) for share, draw, mask in masks if _whole(mask, learnt.labels, classes)]
    if not masks:
        return None
    found = _solved(learnt, np.stack([mask for _, _, mask in masks]), classes)
    points: Points = {}
    for (share, draw, mask), logits in zip(masks, found, strict=True):
        judges = held[draw] if learnt.folds is not None else np.ones(len(learnt.judge_labels), bool)
        labels = learnt.judge_labels[judges]
        each, right = losses(logits[judges], labels), logits[judges].argmax(1) == labels
        points.setdefault(share, []).append((int(mask.sum()), each, right))
    return _told(points, same=learnt.folds is None)


def _told(points: Points, *, same: bool) -> dict[str, Any]:
    rows = []
    for share in sorted(points):
        own = points[share]
        accuracies = [float(right.mean()) for _, _, right in own]
        rows.append({
            "share": share, "photos": round(float(np.mean([number for number, _, _ in own]))),
            "accuracy": float(np.mean(accuracies)), "low": min(accuracies), "high": max(accuracies),
            "log_loss": float(np.mean([each.mean() for _, each, _ in own])),
        })  # fmt: skip
    return {"points": rows, **_last_step(points, same=same)}


def _last_step(points: Points, *, same: bool) -> dict[str, Any]:
    """From half of the photos to all of them: by how much the loss falls, and whether that is more than chance.

    `same`: every draw is judged by the same photos, which then count once each.
    """
    if not {0.5, 1.0} <= points.keys():
        return {"still_rising": None}
    half, whole = (np.concatenate([each for _, each, _ in points[share]]) for share in (0.5, 1.0))
    if len(half) != len(whole):
        return {"still_rising": None}
    fall = half - whole
    each = fall.reshape(len(points[1.0]), -1).mean(0) if same else fall
    error = float(each.std() / np.sqrt(len(each)))
    gained = np.mean([right.mean() for _, _, right in points[1.0]]) > np.mean([r.mean() for _, _, r in points[0.5]])
    # A head on noise becomes less sure with more photos, and its loss falls too: then no photo more is right.
    rising = bool(gained and fall.mean() > STILL_RISING * error)
    return {"fall": float(fall.mean()), "error": error, "still_rising": rising}


def _held_out(learnt: Learnt, draws: int) -> list[NDArray[np.bool_]]:
    """The photos that judge in each draw and so do not teach: a fold, or none where others judge."""
    if learnt.folds is None:
        return [np.zeros(len(learnt.labels), bool)] * draws
    return [learnt.folds == draw % (int(learnt.folds.max()) + 1) for draw in range(draws)]


def _taught(learnt: Learnt, share: float, draw: int, seed: int) -> NDArray[np.bool_]:
    """A share of each class; larger shares hold the smaller ones, so that a curve is not noise over noise."""
    random = np.random.default_rng([seed, draw])
    mask = np.zeros(len(learnt.labels), bool)
    for label in np.unique(learnt.labels):
        own = random.permutation(np.flatnonzero(learnt.labels == label))
        mask[own[: max(1, round(share * len(own)))]] = True
    return mask


def _whole(mask: NDArray[np.bool_], labels: NDArray[np.int64], classes: int) -> bool:
    return len(np.unique(labels[mask])) == classes


def _solved(learnt: Learnt, masks: NDArray[np.bool_], classes: int) -> list[NDArray[np.float32]]:
    """The logits of the judging photos by a head for each mask."""
    import torch

    from tl_engine.classifiers.solved_head import Scaled, Solver

    judges, found = torch.from_numpy(learnt.judges), []
    for mask in masks:
        scaled, labels = Scaled.of(torch.from_numpy(learnt.features[mask])), torch.from_numpy(learnt.labels[mask])
        all_of_them = torch.ones(1, len(labels))
        solver = Solver(scaled, labels, classes, all_of_them, all_of_them[0], 0.0)
        for _ in range(ITERATIONS):
            solver.step()
        with torch.no_grad():
            weight, bias = scaled.head(solver.weight[0], solver.bias[0])
            found.append((judges @ weight.T + bias).numpy())
    return found


def redrawn(learnt: Learnt, classes: int, repeats: int) -> dict[str, Any]:
    """The accuracy in folds that are drawn anew `repeats` times: how much of a figure is the luck of the draw.

    A head that is solved has no seed of its own, so the spread comes from the draw alone.
    """
    import torch

    from tl_engine.classifiers.solved_head import SolvedHead

    labels, views = torch.from_numpy(learnt.labels), torch.from_numpy(learnt.features)[None]
    accuracies = []
    for number in range(repeats):
        folds = torch.from_numpy(_drawn_folds(learnt, number))
        heads = SolvedHead(views, labels, classes, folds=folds)
        for _ in range(ITERATIONS):
            heads.step()
        said = heads.judged()
        if said is not None:
            accuracies.append(float((said.argmax(1) == labels).double().mean()))
    return {"accuracies": accuracies, "mean": float(np.mean(accuracies)), "spread": float(np.std(accuracies))}


def _drawn_folds(learnt: Learnt, number: int) -> NDArray[np.int64]:
    """Folds drawn by lot in each class; copies are not looked for again."""
    random, folds = np.random.default_rng([1, number]), np.zeros(len(learnt.labels), np.int64)
    for label in np.unique(learnt.labels):
        own = random.permutation(np.flatnonzero(learnt.labels == label))
        folds[own] = np.arange(len(own)) % FOLDS
    return folds
