"""Which labels look wrong, and which classes look alike, judged by classifiers that never saw the photo they judge.

Confident learning (https://arxiv.org/abs/1911.00068) on frozen features. The package cleanlab does the same; its
licence (AGPL) does not fit this program's, and what is needed here are few lines.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tl_engine.inspection.findings import Features

FOLDS = 5
LEAST = 2  # photos of a class under which nothing can be held out
STRENGTH = 0.001  # inverse regularisation; strong, since some labels are wrong and there are more numbers than photos
MOST_NUMBERS = 256  # principal components kept; the folds then cost the same whatever the backbone
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that looks wrong: the row, the class it has, the class it looks like, and how sure that is (0 to 1)."""

    index: int
    label: int
    suggested: int
    score: float


def judge(features: Features, labels: Labels, classes: int, seed: int = 0) -> NDArray[np.float64] | None:
    """Probabilities (N, classes) for each row (N, D) from a linear classifier trained on other rows.

    None where a class has fewer than two rows: then nobody can judge it.
    """
    counts = np.bincount(labels, minlength=classes)
    if classes < 2 or counts.min() < LEAST:
        return None
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    folds = min(FOLDS, int(counts.min()))
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    components = min(MOST_NUMBERS, *scaled.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not quite converged is good enough here, and so are photos all alike
        reduced = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(scaled)
        judged: NDArray[np.float64] = cross_val_predict(
            # Balanced: beside 150 ants 19 of 20 bees were doubted without it, 5 with it, and no wrong label was missed.
            LogisticRegression(C=STRENGTH, max_iter=200, class_weight="balanced"),
            reduced,
            labels,
            cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
            method="predict_proba",
        )
    return judged


def doubts(judged: NDArray[np.float64], labels: Labels) -> list[Doubt]:
    """Rows that look more like another class than like their own, the most suspicious first."""
    rows = np.arange(len(labels))
    suggested = judged.argmax(1)
    score = judged[rows, suggested] - judged[rows, labels]
    wrong = rows[suggested != labels]
    ranked = wrong[np.argsort(-score[wrong], kind="stable")]
    return [Doubt(int(i), int(labels[i]), int(suggested[i]), round(float(score[i]), 4)) for i in ranked]


def accuracy(judged: NDArray[np.float64], labels: Labels) -> float:
    """The mean over classes of the share judged right: how separable the classes are before any training."""
    right = judged.argmax(1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def alike(judged: NDArray[np.float64], labels: Labels, names: Sequence[str]) -> list[tuple[str, str, float]]:
    """Pairs of classes and the share of their photos taken for each other, the most alike first; none at zero."""
    mixed = np.zeros((len(names), len(names)))
    np.add.at(mixed, (labels, judged.argmax(1)), 1)
    counts = mixed.sum(1)
    pairs = [
        (names[a], names[b], float((mixed[a, b] + mixed[b, a]) / (counts[a] + counts[b])))
        for a in range(len(names))
        for b in range(a + 1, len(names))
        if mixed[a, b] + mixed[b, a]
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
