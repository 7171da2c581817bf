"""What was found in a data set, as types: the report and its parts."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

EXACT, NEAR = "exact", "near"
Features = NDArray[np.float32]  # (N, D), a row of each entry


Finding = dict[str, Any]  # {"file", "reason"}, and "files", how many, where it is not one file


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Files that show one photo, in the order of the data set."""

    files: tuple[str, ...]
    kind: str  # exact or near
    across_splits: bool
    across_classes: bool
    kept: str = ""  # the one that stays when only one may


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found; the fields are those of `inspect --json`."""

    classes: dict[str, dict[str, int]]  # class -> split -> photos
    left_out: list[Finding]
    junk: int  # files that systems and programs leave behind; they are counted and not named
    converted: list[Finding]
    tiny: list[Finding]
    odd: list[Finding]
    duplicates: list[Duplicates]
    suspicious_labels: list[dict[str, Any]]  # file, label, suggested, score; the most suspicious first
    separability: dict[str, Any]  # accuracy and alike; empty where nobody can tell
    advice: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Json-ready."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From `to_dict`. Raises KeyError or TypeError on anything else."""
        pairs = [Duplicates(**{**d, "files": tuple(d["files"])}) for d in values["duplicates"]]
        return cls(**{**values, "duplicates": pairs})
