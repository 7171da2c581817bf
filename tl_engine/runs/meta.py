"""What a saved classifier says of itself, meta.json: one reader, one writer, a format number. No torch here."""

import datetime
import enum
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from tl_engine.base.errors import RunError
from tl_engine.base.settings import VERSION

FORMAT = 1  # another one is not read; fields may be added to it
META = "meta.json"


class Learned(enum.StrEnum):
    """Which part of the network learns in a phase of a training, or learnt in a saved classifier."""

    HEAD = "head"
    ALL = "all"

    @property
    def head_only(self) -> bool:
        """Whether the backbone stays as it came."""
        return self is Learned.HEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneMeta:
    """Which pretrained network it stands on."""

    weights: str  # where they came from, for people
    hash: str | None  # of their numbers; None: it started from random ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How good it was when it was saved."""

    epoch: int
    val_accuracy: float  # a fraction
    val_loss: float
    images: Mapping[str, int] = field(default_factory=dict)  # split -> photos
    judge: str = "val"  # whose figures: the photos of "val", or in "folds" all that taught


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """All of it. `learned` says which tensors lie beside it: the head's, or all of the network's."""

    architecture: str
    backbone: BackboneMeta
    learned: Learned
    classes: tuple[str, ...]  # in index order
    preprocessing: Mapping[str, Any]  # the numbers of a Preprocess
    temperature: float = 1.0  # what its logits are divided by, so that its probabilities are honest
    figures: Figures | None = None
    config: Mapping[str, Any] = field(default_factory=dict)  # the training's settings, its data by its last name only
    created: str = ""  # ISO 8601, UTC
    versions: Mapping[str, str] = field(default_factory=dict)  # of this program and the libraries

    def write(self, folder: Path, libraries: Mapping[str, str]) -> None:
        """To meta.json, dated now. Raises OSError."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        written = {"format": FORMAT, **asdict(self), "created": now, "versions": {"tl_engine": VERSION, **libraries}}
        (folder / META).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """From meta.json, of any version that wrote this format. Raises RunError."""
        try:
            kept = json.loads((folder / META).read_text(encoding="utf-8"))
        except (ValueError, OSError):
            raise RunError(f"{META} in {folder.name} is damaged: use another copy of this classifier.") from None
        if not isinstance(kept, dict) or kept.get("format") != FORMAT:
            raise RunError(f"{META} in {folder.name} is not of format {FORMAT}: it was made by another version.")
        try:
            return cls._from(kept)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{META} in {folder.name} lacks {error}: use another copy of this classifier.") from None

    @classmethod
    def _from(cls, kept: Mapping[str, Any]) -> Self:
        known = {name: kept[name] for name in (f.name for f in fields(cls)) if name in kept}
        figures = known.pop("figures", None)
        backbone = BackboneMeta(weights=str(kept["backbone"]["weights"]), hash=kept["backbone"]["hash"])
        temperature = float(kept.get("temperature", 1.0))
        if not 0 < temperature < math.inf:
            raise ValueError("a temperature above 0")
        known |= {"backbone": backbone, "classes": tuple(map(str, kept["classes"])), "figures": _figures(figures)}
        known["temperature"] = temperature
        return cls(**known | {"learned": _learned(kept["learned"])})


def _learned(kept: Any) -> Learned:
    try:
        return Learned(kept)
    except ValueError:
        raise ValueError(f"what learned, one of {', '.join(Learned)}") from None


def _figures(kept: Any) -> Figures | None:
    """The figures, or None from a file that has none that are whole."""
    try:
        return Figures(epoch=int(kept["epoch"]), val_accuracy=float(kept["val_accuracy"]),
                       val_loss=float(kept["val_loss"]), images=dict(kept.get("images", {})),
                       judge=str(kept.get("judge", "val")))  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
