"""What a run leaves for its report: each judged photo with what was said of it by a head that had not seen it.

Small files of numbers and names in the run's `report/`, one for each kind of judge. No torch here.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tl_engine.base.files import write_whole

FOLDS, VAL, TEST = "folds", "val", "test"
JUDGES = (TEST, VAL, FOLDS)  # the most trustworthy first
# What numpy and zipfile raise for one flipped byte or another.
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
Logits = NDArray[np.float32]  # (N, C)
Labels = NDArray[np.int64]  # (N,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """N photos of C classes, judged. `logits` are raw: no temperature is in them."""

    judge: str
    files: tuple[str, ...]  # below the data set's folder
    labels: Labels
    logits: Logits
    epoch: int  # of the classifier that judged
    epochs: int  # of the training
    chosen: bool  # whether that epoch was chosen by these photos, which flatters it

    def write(self, folder: Path) -> None:
        """To `folder`, which is there. Raises OSError."""
        written = io.BytesIO()
        names = np.frombuffer("\0".join(self.files).encode("utf-8", "surrogateescape"), np.uint8)
        facts = np.array([self.epoch, self.epochs, self.chosen], np.int64)
        np.savez_compressed(
            written, files=names, labels=self.labels, logits=self.logits.astype(np.float32), facts=facts
        )
        write_whole(folder / f"{self.judge}.npz", written.getvalue())

    @classmethod
    def read(cls, folder: Path, judge: str) -> Self | None:
        """From `folder`; None where it is missing or damaged."""
        try:
            with np.load(folder / f"{judge}.npz", allow_pickle=False) as kept:
                return cls._from(judge, kept)
        except DAMAGED:
            return None

    @classmethod
    def _from(cls, judge: str, kept: Mapping[str, NDArray[np.generic]]) -> Self:
        files = tuple(kept["files"].tobytes().decode("utf-8", "surrogateescape").split("\0"))
        labels, logits = kept["labels"].astype(np.int64), kept["logits"].astype(np.float32)
        epoch, epochs, chosen = (int(number) for number in kept["facts"])
        if logits.ndim != 2 or not len(files) == len(labels) == len(logits):
            raise ValueError
        if len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
            raise ValueError
        return cls(judge=judge, files=files, labels=labels, logits=logits, epoch=epoch, epochs=epochs,
                   chosen=bool(chosen))  # fmt: skip

    @property
    def predicted(self) -> Labels:
        """The likeliest class of each."""
        likeliest: Labels = self.logits.argmax(1).astype(np.int64)
        return likeliest


def has_judged(folder: Path) -> bool:
    """Whether anything was judged; opens nothing, so it may yet be damaged."""
    return any((folder / f"{judge}.npz").is_file() for judge in JUDGES)


def read_judged(folder: Path) -> dict[str, Judged]:
    """All that there is, the most trustworthy first."""
    found = ((judge, Judged.read(folder, judge)) for judge in JUDGES)
    return {judge: judged for judge, judged in found if judged is not None and len(judged.labels)}
