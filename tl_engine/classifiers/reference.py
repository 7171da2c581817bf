"""The words "unlike anything it was shown": a photo is judged by its nearest training photos, which are the evidence.

The mean cosine to the five nearest, on the frozen backbone's features: https://arxiv.org/abs/2204.06507. How near is
near is learnt from the training photos, each beside those of other folds. A similar kind that it has no class for
is a known weak spot: there the classifier's own doubt sees more. No torch.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tl_engine.base.files import appearing
from tl_engine.runs.run import Run

REFERENCE = "reference.safetensors"
NEAREST = 5
MOST_ROWS = 2_000  # training photos kept, as many of each class; more only cost room
KEPT = 0.98  # of a classifier's own kind of photos that are to be taken for such
FEW = 50  # photos of a class under which a share of them is rough: then the least like own one is the limit
ROUGHLY = 0.85  # of that: with 10 photos a class the least like one itself refused 16 % of other ants and bees
MOST_LIKENESS = 0.8  # of the limit: photos of one burst are all alike, and any other photo is less so
MOST_SURE, SURE_OF_FEW = 0.9, 0.6  # of the limit of a probability; of it, where few photos judged
LEAST_LENGTH = 1e-12  # of a feature, so that nothing is divided by 0
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Training photos as directions (M, D) of length 1, and how near and how sure the classifier's own kind is."""

    rows: Rows  # (M, D)
    labels: NDArray[np.integer]  # (M,)
    files: tuple[str, ...]  # below the data set's folder; "" where nobody is to know
    own: Rows  # (M,) the likeness of each to photos of other folds
    sure: Rows  # (J,) the calibrated probability of each judged photo's answer

    @classmethod
    def of(
        cls, features: Rows, labels: Sequence[int], files: Sequence[str], sure: Rows, folds: Sequence[int] | None
    ) -> Self:
        """Of the features (N, D) of all training photos."""
        chosen = _spread(labels)
        rows = _directions(features[chosen])
        apart = np.arange(len(chosen)) if folds is None else np.array([folds[index] for index in chosen])
        own = _likeness(rows @ rows.T, apart[:, None] == apart[None])
        return cls(rows=rows, labels=np.array([labels[index] for index in chosen], np.int64), own=own,
                   files=tuple(files[index] for index in chosen), sure=np.asarray(sure, np.float32))  # fmt: skip

    @property
    def rough(self) -> bool:
        """Whether some class has too few photos for its limit to be more than rough."""
        return bool(np.bincount(self.labels).min() < FEW)

    def least_likeness(self, kept: float = KEPT) -> float:
        """The likeness under which a photo is unlike anything shown, so that about `kept` of its own kind is not."""
        limit = self.own.min() * ROUGHLY if self.rough else np.quantile(self.own, 1 - kept)
        return min(MOST_LIKENESS, float(limit))

    def least_sure(self, kept: float = KEPT) -> float:
        """The probability under which an answer is not sure."""
        if len(self.sure) < FEW:
            return SURE_OF_FEW
        return min(MOST_SURE, float(np.quantile(self.sure, 1 - kept)))

    def nearest(self, features: Rows) -> tuple[Rows, NDArray[np.integer]]:
        """Cosines and indices (B, 5) of the nearest training photos of features (B, D), the nearest first."""
        cosines = _directions(features) @ self.rows.T
        found = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]
        return np.take_along_axis(cosines, found, 1), found

    def fits(self, classes: int) -> bool:
        """Whether a classifier of so many classes can have learnt from its photos."""
        return int(self.labels.max()) < classes

    def nameless(self) -> Self:
        """The same without what the photos are called, for whoever may not see them: each file is ""."""
        return replace(self, files=("",) * len(self.files))

    def sound(self, classes: int) -> bool:
        """Whether its numbers can be reckoned with: finite, and labels of so many classes, whole numbers."""
        numbers = (self.rows, self.own, self.sure)
        finite = all(t.dtype.kind == "f" and bool(np.isfinite(t).all()) for t in numbers) and self.sure.ndim == 1
        return finite and self.labels.dtype.kind in "biu" and int(self.labels.min()) >= 0 and self.fits(classes)

    @property
    def halves(self) -> NDArray[np.float16]:
        """The rows as they are kept."""
        return self.rows.astype(np.float16)

    def save(self, folder: Path) -> None:
        """Write it into `folder`, which is there. Raises OSError."""
        tensors = {"rows": self.halves, "labels": self.labels, "own": self.own, "sure": self.sure}
        with appearing(folder / REFERENCE) as partial:
            save_file({k: np.ascontiguousarray(t) for k, t in tensors.items()}, partial,
                      {"files": json.dumps(self.files)})  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The one in that folder; None where there is none that can be read."""
        with contextlib.suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
            with safe_open(folder / REFERENCE, framework="np") as kept:
                tensors = {name: kept.get_tensor(name) for name in ("rows", "labels", "own", "sure")}
                files = tuple(map(str, json.loads(kept.metadata()["files"])))
            if len(files) == len(tensors["rows"]) == len(tensors["labels"]) == len(tensors["own"]) > 0:
                return cls(**tensors | {"rows": tensors["rows"].astype(np.float32), "files": files})
        return None


def reference_of(classifier: Path) -> Reference | None:
    """That of a classifier (`best/`): a run keeps it in its report, one that ships beside its tensors."""
    return Reference.load(Run(classifier.parent).report) or Reference.load(classifier)


def _spread(labels: Sequence[int]) -> list[int]:
    """At most MOST_ROWS indices, each class evenly thinned and as even a share of each as there is."""
    of_class: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        of_class[label].append(index)
    most = max(1, MOST_ROWS // max(1, len(of_class)))
    thinned = (own[:: -(-len(own) // most)] for own in of_class.values())
    return sorted(index for own in thinned for index in own)


def _directions(features: Rows) -> Rows:
    """Each row (D,) at length 1."""
    rows = np.asarray(features, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LEAST_LENGTH)  # type: ignore[no-any-return]


def _likeness(cosines: Rows, same: NDArray[np.bool_]) -> Rows:
    """The mean of each row's nearest (M,) among those that are not the `same` (M, M)."""
    number = max(1, min(NEAREST, int((~same).sum(1).min())))
    others = np.where(same, np.float32(-1), cosines)
    return np.partition(others, -number, axis=1)[:, -number:].mean(1)  # type: ignore[no-any-return]
