"""Where a training stands, as a file: numbers, texts and tensors in lists and dictionaries. No pickle.

A safetensors file, there whole or not at all, with all that is no tensor as json in its header.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tl_engine.base.files import appearing, sync

TENSOR, PAIRS = "$tensor", "$pairs"  # in the json: the name of a tensor, and a dictionary whose keys are no strings


def write_state(path: Path, state: dict[str, Any], version: str) -> None:
    """Write it anew, on the disk when this returns; nobody else writes in its folder.

    Raises OSError or SafetensorError; what was there then stays.
    """
    path.parent.mkdir(exist_ok=True)
    for partial in path.parent.glob(".*.part"):  # a killed process left it
        partial.unlink()
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_packed(state, "", tensors))
    with appearing(path, durable=True) as partial:
        save_file(tensors, partial, metadata={"format": version, "state": text, "sha256": _digest(text, tensors)})
    sync(path.parent)


def read_state(path: Path) -> tuple[str, dict[str, Any]]:
    """The version and the state. Raises ValueError for a file that is damaged or none."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        if header["sha256"] != _digest(header["state"], tensors):
            raise ValueError("another checksum")
        return header["format"], _unpacked(json.loads(header["state"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged") from error


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _packed(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """The value as json; its tensors go to `tensors`, each by the name of its place."""
    match value:
        case Tensor():
            # safetensors refuses channels_last tensors and shared storage.
            tensors[place] = value.detach().cpu().contiguous().clone()
            return {TENSOR: place}
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _packed(inner, f"{place}/{key}", tensors) for key, inner in value.items()}
        case dict():
            return {PAIRS: [[key, _packed(inner, f"{place}/{key}", tensors)] for key, inner in value.items()]}
        case list() | tuple():
            return [_packed(inner, f"{place}/{index}", tensors) for index, inner in enumerate(value)]
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    match value:
        case {"$tensor": name}:
            return tensors[name]
        case {"$pairs": pairs}:
            return {key: _unpacked(inner, tensors) for key, inner in pairs}
        case dict():
            return {key: _unpacked(inner, tensors) for key, inner in value.items()}
        case list():
            return [_unpacked(inner, tensors) for inner in value]
    return value
