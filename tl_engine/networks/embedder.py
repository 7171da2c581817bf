"""Embed once: a frozen backbone gives the same numbers in every epoch, so it runs once and the head learns on them."""

import hashlib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray
from torch import Tensor

from tl_engine.base.errors import DataError, ImageError
from tl_engine.base.events import Event, Note
from tl_engine.base.parallel import batched, in_order
from tl_engine.base.progress import Stage
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder, Record, without
from tl_engine.data.hashes import content_hashes
from tl_engine.networks.backbone import Backbone, never, prepare_backbone
from tl_engine.networks.feature_cache import FeatureCache
from tl_engine.networks.models import backbone_outputs
from tl_engine.networks.runtime import Runtime, make_runtime

EMBED_BATCH = 32  # pictures; larger ones were no faster on two CPU cores
SHARD = 512  # rows written at once, so what an interrupted embedding can lose
RANDOM = threading.Lock()  # torchvision's transforms draw from torch's one generator
Pixels = NDArray[np.uint8]


class Embedder:
    """Runs the frozen backbone over files it has not seen yet, and keeps what comes out."""

    def __init__(
        self, backbone: Backbone, runtime: Runtime, settings: Settings, check_stop: Callable[[], None] = never
    ) -> None:
        self.backbone = backbone
        self.model = runtime.place(backbone.model).eval()
        self.preprocess = backbone.preprocess
        self.runtime = runtime
        self.settings = settings
        self.check_stop = check_stop
        # Whatever changes a feature belongs to the name of the pair; a changed number never meets an old row.
        numbers = {**self.preprocess.to_dict(), "short_side": self.preprocess.short_side}
        pair = [backbone.weights_hash, backbone.architecture.name, numbers, runtime.precision]
        self.cache = FeatureCache(settings.cache / "features", json.dumps(pair), settings.cache_bytes)

    def look(self, data: ImageFolder) -> Generator[Event, None, "Embedded"]:
        """Embed the plain view of every file; what comes out can then be asked for features."""
        found = Embedded(embedder=self, keys=content_hashes(data, self.settings))
        yield from self.embed(found, data.records, "embedding photos", found.keys, self._view)
        return found

    def _view(self, record: Record) -> Pixels:
        return np.asarray(self.preprocess.view(self.preprocess.open(record.path)))

    def embed(
        self,
        found: "Embedded",
        records: Sequence[Record],
        stage: str,
        keys: dict[Path, str],
        draw: Callable[[Record], Pixels],
    ) -> Generator[Event, None, None]:
        """Fill `found.rows` for these records: from the cache, else by running the backbone, shared by processes."""
        found.rows |= self.cache.rows([keys[record.path] for record in records])
        first = {keys[r.path]: r for r in reversed(records) if keys[r.path] not in found.rows}
        missing = _agreed(list(first.values()))
        mine = missing[self.runtime.accelerator.process_index :: self.runtime.accelerator.num_processes]
        computed: dict[str, Tensor] = {}
        clock = Stage(stage, len(missing))
        for shard in batched(mine, SHARD):
            # Another run may have embedded the same files since: what is there is not computed twice.
            known = self.cache.rows([keys[record.path] for record in shard])
            rest = [record for record in shard if keys[record.path] not in known]
            fresh = yield from self._run(found, rest, keys, draw, clock, len(computed))
            self.cache.add(list(fresh), torch.stack(list(fresh.values())) if fresh else torch.empty(0))
            computed |= known | fresh
        if self.cache.problem:
            yield Note(message=f"the feature cache is off: {self.cache.problem}; the training goes on without it")
        self._share(found, computed, records, keys)

    def _run(
        self,
        found: "Embedded",
        records: Sequence[Record],
        keys: dict[Path, str],
        draw: Callable[[Record], Pixels],
        clock: Stage,
        before: int,
    ) -> Generator[Event, None, dict[str, Tensor]]:
        """The backbone over one shard, decoding ahead in threads."""
        rows: dict[str, Tensor] = {}
        pictures = zip(records, in_order(lambda record: _tried(draw, record), records), strict=True)
        for batch in batched(pictures, EMBED_BATCH):
            self.check_stop()
            good = [(record, pixels) for record, pixels in batch if not isinstance(pixels, ImageError)]
            for record, pixels in batch:
                if isinstance(pixels, ImageError):
                    found.unreadable[record.path] = str(pixels)
            if good:
                features = self._forward(np.stack([pixels for _, pixels in good]))
                rows |= {keys[record.path]: row for (record, _), row in zip(good, features, strict=True)}
            share = self.runtime.accelerator.num_processes
            if event := clock.due(min(clock.total, (before + len(rows)) * share)):
                yield event
        return rows

    def _forward(self, pixels: Pixels) -> Tensor:
        """(B, H, W, 3) bytes to features (B, ...) float32 on the CPU, where they are kept and cached."""
        images = self.preprocess.normalised(torch.from_numpy(pixels).to(self.runtime.device))
        with self.runtime.accelerator.autocast():
            return backbone_outputs(self.model, self.backbone.head, images).float().cpu()

    def _share(
        self, found: "Embedded", computed: dict[str, Tensor], records: Sequence[Record], keys: dict[Path, str]
    ) -> None:
        """Give every process the rows and refusals of all; files with the same bytes share a row or a refusal."""
        if self.runtime.accelerator.num_processes > 1:
            computed = dict(gather_object(list(computed.items())))
            found.unreadable = dict(gather_object(list(found.unreadable.items())))
        found.rows |= computed
        reasons = {keys[path]: reason for path, reason in found.unreadable.items() if path in keys}
        for record in records:
            if keys[record.path] in reasons:
                found.unreadable.setdefault(record.path, reasons[keys[record.path]])


@dataclass(slots=True, kw_only=True)
class Embedded:
    """What looking at files gave; whoever has one may ask for the features of what was looked at."""

    embedder: Embedder
    keys: dict[Path, str]  # file -> content hash
    rows: dict[str, Tensor] = field(default_factory=dict)  # key -> features (...), float32 on the CPU
    unreadable: dict[Path, str] = field(default_factory=dict)  # file -> one sentence why it does not decode

    def plain(self, records: Sequence[Record]) -> Tensor:
        """The features (N, ...) of these records, on the device."""
        return self._stacked([self.keys[record.path] for record in records])

    def augmented(
        self, records: Sequence[Record], augmentation: str, views: int
    ) -> Generator[Event, None, list[Tensor]]:
        """The features (N, ...) of `views` augmented copies, the same for the same file in every run."""
        preprocess = self.embedder.preprocess
        transform = preprocess.random_view(augmentation)
        stacked = []
        for number in range(1, views + 1):
            keys = {r.path: f"{self.keys[r.path]}:{augmentation}:{number}" for r in records}

            def draw(record: Record, keys: dict[Path, str] = keys) -> Pixels:
                picture = preprocess.open(record.path)
                with RANDOM, torch.random.fork_rng(devices=[]):
                    torch.manual_seed(int(hashlib.sha256(keys[record.path].encode()).hexdigest()[:12], 16))
                    return np.asarray(transform(picture))

            stage = f"embedding augmented view {number} of {views}"
            yield from self.embedder.embed(self, records, stage, keys, draw)
            stacked.append(self._stacked([keys[record.path] for record in records]))
        return stacked

    def _stacked(self, keys: Sequence[str]) -> Tensor:
        return torch.stack([self.rows[key] for key in keys]).to(self.embedder.runtime.device)


def embed_photos(
    data: ImageFolder, architecture: str, settings: Settings
) -> Generator[Event, None, tuple[NDArray[np.float32], dict[Path, str]]]:
    """Features (N, D) of the records that can be read, in their order, and the files that cannot, with the reason.

    For whoever is no training: they come from the cache that trainings fill, and fill it for them. Raises WeightsError.
    """
    backbone = yield from prepare_backbone(architecture, settings)
    embedder = Embedder(backbone, make_runtime(backbone, settings), settings)
    found = yield from embedder.look(data)
    readable = without(data, found.unreadable).records
    if not readable:
        raise DataError(
            f"No photo in {data.root.name} takes part, all are damaged or left out: copy them again or undo some."
        )
    rows = found.plain(readable).cpu()
    # Some heads begin before the pooling (SqueezeNet's); what is where does not matter here.
    return (rows.mean((2, 3)) if rows.dim() == 4 else rows.flatten(1)).numpy(), found.unreadable


def _agreed(records: list[Record]) -> list[Record]:
    """The first process's list, so that all share the same work even if the cache changed in between."""
    holder = [records]
    broadcast_object_list(holder)
    return holder[0]


def _tried(draw: Callable[[Record], Pixels], record: Record) -> Pixels | ImageError:
    try:
        return draw(record)
    except ImageError as error:
        return error
