"""Features on disk, so that a second run, another head or ten new photos cost only what is new.

A cache is a folder for each pair of backbone and preprocessing, holding shards: safetensors files with some rows of
features and, in their header, the keys of the rows and a checksum. Shards are written whole or not at all under
names of their own, so any number of runs may read and write at once.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tl_engine.base.files import appearing

FORMAT = "1"  # of shards; another one is never read
USED = "used"  # a file whose time of change says when the pair was last used


class FeatureCache:
    """The rows of one pair. Never raises for what lies on disk: what cannot be read is computed again."""

    def __init__(self, root: Path, pair: str, most_bytes: int) -> None:
        """`pair` names backbone and preprocessing; `most_bytes` bounds everything under `root`."""
        self.root = root
        self.folder = root / hashlib.sha256(pair.encode()).hexdigest()[:32]
        self.most_bytes = most_bytes
        self.problem: str | None = None  # why nothing more is written, once that is so
        self._rows: dict[str, Tensor] = {}
        self._listed: dict[str, list[str]] = {}  # the keys in each shard

    def rows(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """The cached rows of these keys; shards that others wrote in the meantime are found too."""
        with contextlib.suppress(OSError):
            for path in sorted(self.folder.glob("*.safetensors")):
                if path.name not in self._listed:
                    self._listed[path.name] = _keys(path)
        missing = set(keys) - self._rows.keys()
        for name, listed in self._listed.items():
            if wanted := missing.intersection(listed):
                self._rows |= _read(self.folder / name, wanted)
        found = {key: self._rows[key] for key in keys if key in self._rows}
        if found:
            with contextlib.suppress(OSError):
                (self.folder / USED).touch()
        return found

    def add(self, keys: Sequence[str], features: Tensor) -> str | None:
        """Keep rows (N, ...) float32; the name of their shard. A full disk turns the cache off: see `problem`."""
        if self.problem or not keys:
            return None
        name = f"{secrets.token_hex(8)}.safetensors"
        features = features.cpu().contiguous()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / USED).touch()
            self._make_room(features.nbytes)
            save_rows(self.folder / name, keys, features)
            self._listed[name] = list(keys)
            self._rows |= dict(zip(keys, features, strict=True))
            return name
        except (OSError, SafetensorError) as error:
            self.problem = getattr(error, "strerror", None) or str(error).splitlines()[0]
            return None

    def drop(self, name: str) -> None:
        """Delete a shard whose rows lie in another one by now."""
        self._listed.pop(name, None)
        _delete(self.folder / name)

    def _make_room(self, size: int) -> None:
        """Delete the pairs unused longest until `size` more bytes fit; the pair in use stays."""
        if _bytes(self.folder) + size > self.most_bytes:
            raise OSError(0, f"the cache has reached its {self.most_bytes / 1e9:.1f} GB")
        pairs = {path: _bytes(path) for path in self.root.iterdir() if path.is_dir()}
        too_much = sum(pairs.values()) + size - self.most_bytes
        for pair in sorted(pairs, key=_last_used):
            if too_much <= 0:
                return
            if pair != self.folder:
                shutil.rmtree(pair, ignore_errors=True)
                too_much -= pairs[pair]


def drop_photos(root: Path, digests: Set[str]) -> None:
    """Remove the rows of photos of these SHA-256 from every shard below `root`, of augmented views too."""
    for path in root.glob("*/*.safetensors"):
        keys = _keys(path)
        kept = [row for row, key in enumerate(keys) if key.partition(":")[0] not in digests]
        if len(kept) == len(keys):
            continue
        rows = _read(path, {keys[row] for row in kept}) if kept else {}
        with contextlib.suppress(OSError, SafetensorError):  # without them it is computed again
            if rows:
                save_rows(
                    path.parent / f"{secrets.token_hex(8)}.safetensors", list(rows), torch.stack(list(rows.values()))
                )
        _delete(path)


def save_rows(path: Path, keys: Sequence[str], features: Tensor) -> None:
    """Write a shard, whole or not at all. Raises OSError or SafetensorError."""
    header = {"format": FORMAT, "keys": json.dumps(list(keys)), "sha256": _digest(features)}
    with appearing(path) as partial:
        save_file({"features": features}, partial, metadata=header)


class GrowingShard:
    """A shard that is written while its rows still come: each time whole, in place of what it was before.

    So little is lost when a process dies, and there are no more files than shards.
    """

    def __init__(self, cache: FeatureCache) -> None:
        self.cache = cache
        self.name: str | None = None
        self.written = 0

    def write(self, rows: Mapping[str, Tensor]) -> None:
        """Keep all rows so far, by key."""
        if len(rows) == self.written or (name := self.cache.add(list(rows), torch.stack(list(rows.values())))) is None:
            return
        if self.name:
            self.cache.drop(self.name)
        self.name, self.written = name, len(rows)


def _keys(path: Path) -> list[str]:
    """The keys of a shard, from its header; none if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as shard:
            keys: list[str] = json.loads((shard.metadata() or {})["keys"])
            return keys
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        _delete(path)
        return []


def _read(path: Path, wanted: set[str]) -> dict[str, Tensor]:
    """The wanted rows of a shard; a damaged one is deleted."""
    try:
        with safe_open(path, framework="pt") as shard:
            header = shard.metadata() or {}
            features = shard.get_tensor("features")
        keys = json.loads(header["keys"])
        if header["format"] != FORMAT or header["sha256"] != _digest(features) or len(keys) != len(features):
            raise ValueError
        return {key: row.clone() for key, row in zip(keys, features, strict=True) if key in wanted}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        _delete(path)
        return {}


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _digest(features: Tensor) -> str:
    return hashlib.sha256(features.numpy().tobytes()).hexdigest()


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError):  # another run may be deleting this pair
            total += path.stat().st_size
    return total


def _last_used(folder: Path) -> float:
    try:
        return (folder / USED).stat().st_mtime
    except OSError:
        return 0.0
