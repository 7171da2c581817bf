"""A weight file as people have it: tensors out, code never run. No torch is imported until tensors are read."""

import argparse
import re
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from tl_engine.base.errors import WeightsError
from tl_engine.base.names import visible

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".pth", ".safetensors", ".pt", ".bin", ".ckpt", ".pth.tar")
# Under which names training scripts keep the network. The averaged ones come first: they are what is published.
TABLES = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model_state", "model", "network", "net",
          "checkpoint")  # fmt: skip
MOST_NESTED = 4  # tables inside one another
NOTES = (int, float, str, type(None))  # what some write beside the tensors: an epoch, an architecture's name
TOLD = 5  # names told of what a file holds
START = 512  # bytes
SAVE = "save the tensors alone with torch.save(model.state_dict(), file)"
READING = threading.Lock()  # what torch takes for safe is one list for all threads


def check_start(path: Path) -> None:
    """Raise WeightsError for what is plainly no weight file. Looks at the first bytes only."""
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError as error:
        why = error.strerror or "no reason given"
        raise WeightsError(f"{path.name} cannot be read ({why}): check its permissions.") from None
    if what := _no_weights(start):
        raise WeightsError(f"{path.name} is no readable weight file: it {what}.")


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], str]:
    """The tensors of a file by name, and the name of the table inside it that held them ("" if it is all there is).

    Raises WeightsError that says what the file holds instead, or which tensor is not finite.
    """
    check_start(path)
    content = _content(path)
    found = _table(content)
    if found is None:
        raise WeightsError(f"{path.name} holds no plain table of tensors, but {_held(content)}: {SAVE}.")
    key, table = found
    for name, tensor in table.items():
        # One number may stand for as many as a file likes to claim.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise WeightsError(f"{path.name} is no readable weight file: its tensor {_shown(name)} claims more numbers "
                               f"than it holds; {SAVE}.")  # fmt: skip
        # As float32, which the network computes in: a larger number becomes infinite there.
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise WeightsError(
                f"{path.name} is spoilt, its tensor {_shown(name)} holds NaN or infinite numbers: use another copy."
            )
    return dict(table), key


def _no_weights(start: bytes) -> str | None:
    """Why a file that begins so holds no weights, in words; None if it may."""
    if not start:
        return "is empty (0 bytes): copy or download it again"
    if start.startswith(b"version https://git-lfs"):
        return "is only a pointer of Git LFS: fetch the file itself with `git lfs pull`"
    if start.lstrip().startswith(b"<"):
        return "is a web page: download the file itself"
    if start.startswith((b"PK\x03\x04", b"\x80")) or _is_safetensors(start):
        return None
    return "was written neither by torch.save nor by safetensors: copy or download it again"


def _is_safetensors(start: bytes) -> bool:
    return start[8:9] == b"{"  # behind eight bytes that count the header's


def _content(path: Path) -> Any:
    """What the file holds, whatever its suffix says."""
    import torch
    from safetensors.torch import load_file

    if _is_program(path):
        raise WeightsError(
            f"{path.name} is no readable weight file: it is a TorchScript program, which is never run; {SAVE}."
        )
    try:
        with path.open("rb") as file:
            if _is_safetensors(file.read(9)):
                return load_file(path)
            file.seek(0)
            # Training scripts keep their arguments beside the weights. A Namespace is safe: a bag of attributes.
            with READING, torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises whatever its parser likes; torch's words advise to run its code
        raise _refused(path, error) from None


def _is_program(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _refused(path: Path, error: Exception) -> WeightsError:
    if stranger := re.search(r"Unsupported global: GLOBAL ([\w.]{1,80})", str(error)):
        return WeightsError(
            f"{path.name} is no readable weight file: it holds {stranger[1]}, and code in it is never run; {SAVE}."
        )
    return WeightsError(
        f"{path.name} is no readable weight file: it is damaged, or holds more than tensors; copy it again, or {SAVE}."
    )


def _table(content: object, nested: int = 0) -> tuple[str, Mapping[str, "Tensor"]] | None:
    """The name and the tensors of the one table that must be meant; None if there is none, or no telling which."""
    if not isinstance(content, Mapping) or nested == MOST_NESTED:
        return None
    bare = {name: value for name, value in content.items() if not isinstance(value, NOTES)}
    if _is_table(bare):
        return "", bare
    for key in TABLES:
        if found := _table(content.get(key), nested + 1):
            return key, found[1]
    tables = [(str(key), value) for key, value in content.items() if _is_table(value)]
    return tables[0] if len(tables) == 1 else None


def _is_table(content: object) -> "TypeGuard[Mapping[str, Tensor]]":
    import torch

    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) for name in content)
        and all(isinstance(t, torch.Tensor) and t.layout == torch.strided and not t.is_meta for t in content.values())
    )


def _held(content: object) -> str:
    """What is in a file that holds no table, in a few words."""
    if not isinstance(content, Mapping):
        return f"one {type(content).__name__}"
    names = [_shown(key) for key in list(content)[:TOLD]]
    return ", ".join(names) + (", ..." if len(content) > TOLD else "") if names else "nothing"


def _shown(name: object) -> str:
    """A name out of somebody's file, safe to print."""
    return visible(str(name))[:60]
