"""Somebody else's classifier before anything is built of it: what its files claim, against the network they belong to.

Only headers and outlines are read, so that a forged file costs neither memory nor time.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tl_engine.backbones.architectures import ARCHITECTURES, Architecture, get_architecture
from tl_engine.backbones.weights import find_weights
from tl_engine.base.errors import EngineError, HubError
from tl_engine.base.names import clean_class_name
from tl_engine.base.settings import HOME, Settings
from tl_engine.runs.meta import Meta
from tl_engine.runs.run import BEST, REPORT
from tl_engine.runs.saved_classifier import TENSORS, read_meta

if TYPE_CHECKING:
    from torch import nn

MOST_CLASSES = HOME.classes
NAME_LENGTH = 200  # characters of a class
TOLD = 60  # characters of a strange name
OTHER = "name another one"
Shapes = dict[str, tuple[int, ...]]


def check_files(what: str, folder: Path, settings: Settings) -> None:
    """Look at the classifier in `folder`/best and its reference in `folder`/report, which goes if it does not fit.

    Raises HubError in one sentence for what would not work, or would cost more than a classifier may.
    """
    meta, row = _meta(what, folder / BEST)
    if meta.learned.head_only and row.name not in ARCHITECTURES and not find_weights(row, settings).available:
        raise HubError(f"{what} is a head alone, and its backbone {row.name} is not here: {OTHER}.")
    shapes = _shapes(what, folder / BEST / TENSORS)
    outline = _outline(what, meta, row)
    _check_tensors(what, shapes, outline, meta, row)
    width = _width(what, outline, meta, row)
    _check_reference(folder / REPORT, len(meta.classes), width)


def _meta(what: str, folder: Path) -> tuple[Meta, Architecture]:
    try:
        meta = read_meta(folder)
        row = get_architecture(meta.architecture if isinstance(meta.architecture, str) else "?")
    except EngineError as error:
        raise HubError(f"{what} holds no classifier that this program knows ({_told(error)}): {OTHER}.") from None
    except (RecursionError, TypeError, ValueError, OverflowError):
        raise HubError(f"{what} holds no classifier that this program knows (a damaged meta.json): {OTHER}.") from None
    names = meta.classes
    if not 1 <= len(names) <= MOST_CLASSES:
        raise HubError(f"{what} says that it has {len(names):,} classes, and 1 to {MOST_CLASSES:,} are taken: {OTHER}.")
    if len(set(names)) < len(names) or any(len(n) > NAME_LENGTH or clean_class_name(n) != n or not n for n in names):
        raise HubError(f"{what} has names of classes that are no names, or one of them twice: {OTHER}.")
    if meta.backbone.hash is not None and not isinstance(meta.backbone.hash, str):
        raise HubError(f"{what} holds no classifier that this program knows (a damaged meta.json): {OTHER}.")
    return meta, row


def _told(error: Exception) -> str:
    return str(error).split(":")[0].rstrip(".")[:160]


def _shapes(what: str, path: Path) -> Shapes:
    """The tensors' shapes, from the header alone."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError, KeyError, MemoryError):
        raise HubError(f"{path.name} of {what} is damaged: {OTHER}.") from None


def _outline(what: str, meta: Meta, row: Architecture) -> "nn.Module":
    """The network without numbers, on no device."""
    from tl_engine.networks.models import blank_model, replace_heads, without_numbers

    try:
        with without_numbers():
            model = blank_model(row)
            replace_heads(model, row, len(meta.classes))
    except EngineError as error:
        raise HubError(f"{what} stands on a network that cannot be built here ({_told(error)}): {OTHER}.") from None
    return model.eval()


def _check_tensors(what: str, shapes: Shapes, model: "nn.Module", meta: Meta, row: Architecture) -> None:
    """The file holds just what learnt, in the network's own shapes."""
    from tl_engine.networks.models import head_names

    own: Shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if meta.learned.head_only:
        own = {name: own[name] for name in head_names(model, row)}
    if wrong := sorted(name for name in own.keys() | shapes.keys() if own.get(name) != shapes.get(name)):
        raise HubError(
            f"{TENSORS} of {what} is not that of {row.name} with {len(meta.classes)} classes "
            f"(see {clean_class_name(wrong[0])[:TOLD]!r}): {OTHER}."
        )


def _width(what: str, model: "nn.Module", meta: Meta, row: Architecture) -> int | None:
    """How many numbers a feature has; None where only a real pass tells. Raises HubError for odd preprocessing."""
    import torch

    from tl_engine.networks.models import backbone_outputs, flat_features, head_of
    from tl_engine.networks.preprocessing import Preprocess

    try:
        side = Preprocess.from_dict(meta.preprocessing).crop
        images = torch.zeros(1, 3, side, side, device="meta")
        return int(flat_features(backbone_outputs(model, head_of(model, row), images)).shape[1])
    except NotImplementedError:
        return None
    except EngineError:
        raise HubError(f"{what} prepares pictures in a way that makes no sense: {OTHER}.") from None
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError):
        raise HubError(f"{what} prepares pictures in a way that its network cannot take: {OTHER}.") from None


def _check_reference(folder: Path, classes: int, width: int | None) -> None:
    """Keep a reference that fits, without what the photos are called; remove any other."""
    from tl_engine.classifiers.reference import MOST_ROWS, REFERENCE, Reference

    path = folder / REFERENCE
    if not path.is_file():
        return
    with contextlib.suppress(HubError, OSError):
        shapes = _shapes("", path)
        rows = shapes.get("rows", ())
        lines = {shapes.get("labels"), shapes.get("own")}
        if len(rows) == 2 and 1 <= rows[0] <= MOST_ROWS and lines == {rows[:1]} and rows[1] == (width or rows[1]):
            kept = Reference.load(folder)
            if kept is not None and kept.sound(classes):
                kept.nameless().save(folder)
                return
    path.unlink(missing_ok=True)
