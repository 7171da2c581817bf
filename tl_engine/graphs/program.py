"""Another head in a network that torch.export recorded, without torch: its tensors lie in the file as raw bytes."""

import io
import json
import math
import zipfile

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "data/weights/"  # where they lie below the file's own folder
LISTED = f"{WEIGHTS}model_weights_config.json"
FLOAT = 7  # float32, in torch's numbering of the kinds of numbers
TENSORS = ("network.head.weight", "network.head.bias", "temperature")  # as `Answering` of traced.py calls them
Head = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]  # (C, D), (C,) and ()


def with_head(program: bytes, head: Head) -> bytes | None:
    """The program with that head in it; None, where its file is another one or the head has other shapes."""
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        places = _places(archive)
        if places is None or [shape for _, shape in places] != [tensor.shape for tensor in head]:
            return None
        swapped = {name: tensor.tobytes() for (name, _), tensor in zip(places, head, strict=True)}
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as copy:  # stored, as torch does
            for name in archive.namelist():
                copy.writestr(name, swapped.get(name) or archive.read(name))
    return written.getvalue()


def head_of(program: bytes) -> Head:
    """The head that is in it. Raises ValueError where there is none of one linear layer."""
    with zipfile.ZipFile(io.BytesIO(program)) as archive:
        places = _places(archive)
        if places is None:
            raise ValueError("no linear head")
        weight, bias, temperature = (np.frombuffer(archive.read(n), np.float32).reshape(shape) for n, shape in places)
    return weight, bias, temperature


def _places(archive: zipfile.ZipFile) -> list[tuple[str, tuple[int, ...]]] | None:
    """The entry and the shape of each of the head's tensors; None where they do not lie there as plain numbers."""
    listed = next((name for name in archive.namelist() if name.endswith(LISTED)), None)
    if listed is None:
        return None
    config, folder = json.loads(archive.read(listed))["config"], listed.removesuffix(LISTED) + WEIGHTS
    places = []
    for name in TENSORS:
        if name not in config or config[name]["tensor_meta"]["dtype"] != FLOAT:
            return None
        entry = folder + config[name]["path_name"]
        shape = tuple(size["as_int"] for size in config[name]["tensor_meta"]["sizes"])
        if archive.getinfo(entry).file_size != 4 * math.prod(shape):
            return None
        places.append((entry, shape))
    return places
