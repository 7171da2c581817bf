"""What a classifier says of a picture: how likely each class is, whether to believe it, and what it resembles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tl_engine.classifiers.reference import KEPT, Reference

Verdict = Literal["ok", "not sure", "unlike"]
SURE = 0.5  # the probability under which an answer is not sure, where no photo has judged the classifier


@dataclass(frozen=True, slots=True)
class Seen:
    """N pictures after the networks have seen them."""

    probabilities: NDArray[np.float32]  # (N, C), calibrated
    raw: NDArray[np.float32]  # (N, C), as the network says them
    features: NDArray[np.float32]  # (N, D), of the frozen backbone

    def row(self, index: int) -> "Seen":
        """One of them."""
        part = slice(index, index + 1)
        return Seen(self.probabilities[part], self.raw[part], self.features[part])


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training photo that a picture resembles."""

    file: str  # below the data set's folder; "" where the classifier came without names
    class_name: str
    likeness: float  # cosine of the features, at most 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said of one picture. "unlike": nothing it was shown looks so; "not sure": no class is likely enough."""

    probabilities: dict[str, float]  # calibrated, the likeliest first
    raw: dict[str, float]
    verdict: Verdict
    nearest: tuple[Neighbour, ...]  # the nearest first; none where the training photos are not known


def limits(reference: Reference | None, kept: float = KEPT) -> tuple[float, float | None]:
    """The probability under which an answer is not sure, and the likeness under which a picture is unlike; None: never.

    `kept` is the share of its own kind that a classifier is to accept.
    """
    return (SURE, None) if reference is None else (reference.least_sure(kept), reference.least_likeness(kept))


def answer(seen: Seen, classes: Sequence[str], reference: Reference | None, kept: float = KEPT) -> Answer:
    """The answer to the first of the pictures, within the limits of `kept`."""
    nearest: tuple[Neighbour, ...] = ()
    least_sure, least_likeness = limits(reference, kept)
    verdict: Verdict = "ok"
    if float(seen.probabilities[0].max()) < least_sure:
        verdict = "not sure"
    if reference is not None and least_likeness is not None:
        likeness, found = (rows[0].tolist() for rows in reference.nearest(seen.features[:1]))
        nearest = tuple(
            Neighbour(reference.files[i], classes[int(reference.labels[i])], round(near, 4))
            for near, i in zip(likeness, found, strict=True)
        )
        if sum(likeness) / len(likeness) < least_likeness:
            verdict = "unlike"
    return Answer(
        probabilities=by_class(seen.probabilities[0], classes), raw=by_class(seen.raw[0], classes), verdict=verdict,
        nearest=nearest,
    )  # fmt: skip


def by_class(row: NDArray[np.float32], classes: Sequence[str]) -> dict[str, float]:
    """One row of probabilities (C,) by class, the likeliest first."""
    return {classes[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
