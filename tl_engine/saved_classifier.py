"""A classifier's folder by its two files: whether it is whole, what it says of itself, what a killed process left.

Everybody who wants to know whether there is a classifier asks here. No torch.
"""

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_engine.errors import RunError

TENSORS, META = "model.safetensors", "meta.json"
FORMAT = 1  # of meta.json


@dataclass(frozen=True, slots=True)
class Kept:
    """The epoch that a saved classifier is of."""

    epoch: int
    val_accuracy: float  # a fraction


def aside(folder: Path, suffix: str) -> Path:
    """Where a swap keeps the "new" or the "old" classifier of that name."""
    whole = folder.absolute()  # "." has no name
    return whole.parent / f".{whole.name}.{suffix}"


def saved_folder(folder: Path) -> Path | None:
    """The classifier of that name; its predecessor if a process died between the two renames of a swap."""
    for candidate in (folder, aside(folder, "old")):
        if (candidate / META).is_file() and (candidate / TENSORS).is_file():
            return candidate
    return None


def sweep(folder: Path) -> None:
    """Put a classifier whose swap was cut short back in its place and remove what lies beside it.

    Only for a folder that no process saves into. Where nothing may be written, all stays as it is.
    """
    old = aside(folder, "old")
    if saved_folder(folder) == old:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # somebody else was faster, or it is read only: it is found where it lies
            os.rename(old, folder)
    if saved_folder(folder) == folder:
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(aside(folder, "new"), ignore_errors=True)


def saved_at(folder: Path) -> int:
    """When the classifier was written, nanoseconds since 1970; 0 if there is none."""
    try:
        found = saved_folder(folder)
        return (found / META).stat().st_mtime_ns if found else 0
    except FileNotFoundError:  # replaced this moment
        return 0


def read_meta(folder: Path) -> dict[str, Any]:
    """What meta.json says. Raises RunError when the folder holds no classifier."""
    found = saved_folder(folder)
    if found is None:
        raise RunError(f"{folder.name} holds no classifier ({TENSORS} and {META}): train one, or name another folder.")
    try:
        meta: dict[str, Any] = json.loads((found / META).read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise RunError(f"{META} in {folder.name} is damaged: use another copy of this classifier.") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise RunError(f"{META} in {folder.name} is not of format {FORMAT}: it was made by another version.")
    return meta


def read_kept(folder: Path) -> Kept | None:
    """Of which epoch the classifier is; None if there is none, or it does not say so.

    A process killed between saving and telling leaves a newer one than its log knows.
    """
    try:
        figures = read_meta(folder)["figures"]
        return Kept(int(figures["epoch"]), float(figures["val_accuracy"]))
    except (RunError, KeyError, TypeError, ValueError):
        return None
