"""A classifier on disk: a folder with model.safetensors and meta.json, there whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tl_engine.errors import RunError

TENSORS, META = "model.safetensors", "meta.json"
FORMAT = 1  # of meta.json


def save(folder: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write the classifier beside the old one, then swap: a process killed at any moment leaves a good one."""
    new, old = _aside(folder, "new"), _aside(folder, "old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    # safetensors refuses channels_last tensors, and a view would drag its whole storage along.
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, new / TENSORS)
    text = json.dumps({"format": FORMAT, **meta}, indent=1)
    (new / META).write_text(text + "\n", encoding="utf-8")
    for path in (new / TENSORS, new / META, new):
        _sync(path)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def saved_folder(folder: Path) -> Path | None:
    """The classifier of that name; its predecessor if a process died between the two renames of a swap."""
    for candidate in (folder, _aside(folder, "old")):
        if (candidate / META).is_file() and (candidate / TENSORS).is_file():
            return candidate
    return None


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


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors that learned. Raises RunError for a damaged file or one with NaN in it."""
    try:
        tensors: dict[str, Tensor] = load_file((saved_folder(folder) or folder) / TENSORS)
    except (SafetensorError, OSError):
        raise RunError(f"{TENSORS} in {folder.name} is damaged: use another copy of this classifier.") from None
    if not all(t.isfinite().all() for t in tensors.values() if t.is_floating_point()):
        raise RunError(f"{TENSORS} in {folder.name} holds NaN or infinite numbers: use another copy.")
    return tensors


def _aside(folder: Path, suffix: str) -> Path:
    whole = folder.absolute()  # "." has no name
    return whole.parent / f".{whole.name}.{suffix}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
