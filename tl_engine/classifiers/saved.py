"""A classifier on disk: a folder with model.safetensors and meta.json, there whole or not at all."""

import os
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tl_engine.base.errors import RunError, TrainingError, without_paths
from tl_engine.base.files import is_disk_full, sync
from tl_engine.runs.meta import META, Meta
from tl_engine.runs.saved_classifier import TENSORS, aside, saved_folder

WriteTensors = Callable[[dict[str, Tensor], Path], None]


def save(folder: Path, tensors: Mapping[str, Tensor], meta: Meta, write: WriteTensors = save_file) -> None:
    """Write the classifier beside the old one, then swap: a process killed at any moment leaves a good one.

    Raises TrainingError if that cannot be, such as on a full disk, or if it would not load; the old one then stays.
    """
    if not _finite(tensors):
        raise TrainingError("The training diverged to NaN or infinite numbers: choose a smaller learning-rate.")
    new = aside(folder, "new")
    try:
        _write(new, tensors, meta, write)
        _swap(new, folder)
    except (OSError, SafetensorError) as error:
        raise _unsaved(error) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(new: Path, tensors: Mapping[str, Tensor], meta: Meta, write: WriteTensors) -> None:
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    # safetensors refuses channels_last tensors, and a view would drag its whole storage along.
    write({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, new / TENSORS)
    meta.write(new, {name: version(name) for name in ("torch", "torchvision", "timm")})
    for path in (new / TENSORS, new / META, new):
        sync(path)


def _swap(new: Path, folder: Path) -> None:
    old = aside(folder, "old")
    if folder.exists():
        if saved_folder(folder) == folder:  # else the one aside is the only good one, and the swap needs no other
            shutil.rmtree(old, ignore_errors=True)
            os.rename(folder, old)
        else:
            shutil.rmtree(folder)
    os.rename(new, folder)
    shutil.rmtree(old, ignore_errors=True)


def _unsaved(error: Exception) -> TrainingError:
    if is_disk_full(error):
        return TrainingError("The disk is full, the classifier could not be saved: make room; what was saved stays.")
    reason = getattr(error, "strerror", None) or without_paths(str(error).split("\n", 1)[0])[:120]
    return TrainingError(
        f"The classifier could not be saved ({reason}): check the folder of --runs; what was saved stays."
    )


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors that learned. Raises RunError for a damaged file or one with NaN in it."""
    try:
        tensors: dict[str, Tensor] = load_file((saved_folder(folder) or folder) / TENSORS)
    except (SafetensorError, OSError):
        raise RunError(f"{TENSORS} in {folder.name} is damaged: use another copy of this classifier.") from None
    if not _finite(tensors):
        raise RunError(f"{TENSORS} in {folder.name} holds NaN or infinite numbers: use another copy.")
    return tensors


def _finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(t.isfinite().all()) for t in tensors.values() if t.is_floating_point())
