"""What exports of a frozen backbone leave for the next: its graph, its recorded program, what both saw of photos.

Another head on the same backbone is a few tensors, and its answers to photos that were seen before a matter of
arithmetic. No torch.
"""

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence, Set
from typing import Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tl_engine.base.files import make_parent, write_whole
from tl_engine.base.settings import VERSION, Settings
from tl_engine.graphs.graph import OPSET, Tensors, is_linear, with_head
from tl_engine.runs.meta import Meta

FOLDER = "graphs"  # in the cache
GRAPH = "onnx"
BY_APP, BY_PROGRAM = "by-app", "by-program"  # whose features
MOST_PHOTOS = 1_000  # whose features are kept, of a backbone
DIGEST = 64  # hexadecimal digits before the content
Rows = NDArray[np.float32]


class Kept:
    """What is kept of one backbone, by all that changes a number in it. What is damaged counts as absent."""

    def __init__(self, settings: Settings, key: str) -> None:
        self.folder = settings.cache / FOLDER
        self.most_bytes = settings.cache_bytes
        self.key = key

    @classmethod
    def of(cls, settings: Settings, meta: Meta, head: Tensors) -> Self:
        """That of a classifier's backbone. A head of one linear layer is swapped whatever its classes."""
        shapes = [] if is_linear(head) else sorted((name, list(t.shape)) for name, t in head.items())
        libraries = [importlib.metadata.version(name) for name in ("torch", "onnx")]
        parts = [VERSION, OPSET, meta.backbone.hash, meta.architecture, dict(meta.preprocessing), shapes, libraries]
        return cls(settings, hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32])

    def read(self, kind: str) -> bytes | None:
        """What is kept under that name; None if it is not there or damaged."""
        path = self.folder / f"{self.key}.{kind}"
        with contextlib.suppress(OSError):
            kept = path.read_bytes()
            digest, content = kept[:DIGEST], kept[DIGEST:]
            if hashlib.sha256(content).hexdigest().encode() == digest:
                path.touch()
                return content
        return None

    def add(self, kind: str, content: bytes) -> None:
        """Keep it; what was unused longest makes room. A full disk keeps nothing."""
        with contextlib.suppress(OSError):
            make_parent(self.folder)
            write_whole(self.folder / f"{self.key}.{kind}", hashlib.sha256(content).hexdigest().encode() + content)
            whole = (path for path in self.folder.iterdir() if not path.name.startswith("."))  # none that appears now
            kept = sorted(whole, key=lambda path: path.stat().st_mtime, reverse=True)
            total = 0
            for path in kept:
                total += path.stat().st_size
                if total > self.most_bytes and not path.name.startswith(self.key):
                    path.unlink()

    def graph(self, head: Tensors) -> ModelProto | None:
        """The graph with that head in it; None if there is none that it fits."""
        content = self.read(GRAPH)
        if content is None:
            return None
        graph = onnx.load_from_string(content)
        return graph if with_head(graph, head) else None

    def add_graph(self, graph: ModelProto, head: Tensors) -> None:
        """Keep a graph without the numbers of its head: they are somebody's."""
        blank = ModelProto()
        blank.CopyFrom(graph)
        if with_head(blank, {name: np.zeros_like(tensor) for name, tensor in head.items()}):
            self.add(GRAPH, blank.SerializeToString())

    def features(self, whose: str, photos: Sequence[str]) -> Rows | None:
        """What was seen (N, D) of the photos with those digests; None unless all of them are known."""
        known = self._known(whose)
        return np.stack([known[photo] for photo in photos]) if photos and known.keys() >= set(photos) else None

    def add_features(self, whose: str, photos: Sequence[str], rows: Rows) -> None:
        """Keep what was seen (N, D) of photos, the newest of all that are known."""
        known = self._known(whose)
        if known and next(iter(known.values())).shape != rows.shape[1:]:
            known = {}
        fresh = dict(zip(photos, rows, strict=True))
        newest = list(({name: row for name, row in known.items() if name not in fresh} | fresh).items())[-MOST_PHOTOS:]
        self._write(whose, dict(newest))

    def forget(self, whose: str, photos: Set[str]) -> None:
        """Keep nothing of photos with those digests. Raises OSError where it cannot be removed."""
        known = self._known(whose)
        left = {name: row for name, row in known.items() if name not in photos}
        if left and len(left) == len(known):
            return
        (self.folder / f"{self.key}.{whose}").unlink(missing_ok=True)  # first: a full disk keeps nothing new
        if left:
            self._write(whose, left)

    def _write(self, whose: str, rows: Mapping[str, Rows]) -> None:
        digests = np.frombuffer(bytes.fromhex("".join(rows)), np.uint8).reshape(len(rows), -1)
        self.add(whose, save({"digests": digests, "features": np.stack(list(rows.values()))}))

    def _known(self, whose: str) -> dict[str, Rows]:
        content = self.read(whose)
        if content is None:
            return {}
        with contextlib.suppress(SafetensorError, KeyError):
            kept = load(content)
            return {digest.tobytes().hex(): row for digest, row in zip(kept["digests"], kept["features"], strict=True)}
        return {}


def forget_photos(settings: Settings, photos: Set[str]) -> None:
    """Keep nothing of photos with those digests, whatever backbone saw them."""
    for whose in (BY_APP, BY_PROGRAM):
        for path in (settings.cache / FOLDER).glob(f"*.{whose}"):
            with contextlib.suppress(OSError):
                Kept(settings, path.stem).forget(whose, photos)
