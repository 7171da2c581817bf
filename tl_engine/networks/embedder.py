"""Embed once: a frozen backbone gives the same numbers in every epoch, so it runs once and the head learns on them."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tl_engine.base.errors import DataError, ImageError
from tl_engine.base.events import Event, Note
from tl_engine.base.parallel import batched, in_order
from tl_engine.base.progress import Stage
from tl_engine.base.settings import Settings
from tl_engine.data.dataset import ImageFolder, Record, without
from tl_engine.data.decoded import Decoded
from tl_engine.data.hashes import content_hashes
from tl_engine.networks.backbone import Backbone, never, prepare_backbone
from tl_engine.networks.feature_cache import FeatureCache, GrowingShard
from tl_engine.networks.folding import folded
from tl_engine.networks.models import backbone_outputs, flat_features, head_of
from tl_engine.networks.runtime import Portion, Runtime, make_runtime

EMBED_BATCH = 32  # pictures; larger ones were no faster on two CPU cores
SHARD = 512  # rows of one file
WRITE_EVERY = 2.0  # seconds between writes of a file that grows: what a killed process can lose
TONES = 16  # a side of the small grey picture by which copies of a photo are known
RANDOM = threading.Lock()  # torchvision's transforms draw from torch's one generator
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Embedded:
    """Photos that the backbone has seen, and those it could not."""

    embedder: "Embedder"
    hashes: Mapping[Path, str]  # of the photos' bytes
    rows: Mapping[str, Tensor]  # by hash: features (...) float32, on the CPU
    unreadable: Mapping[Path, str]  # the photos that do not decode, each with one sentence
    small: Mapping[str, Tensor]  # by hash: the grey tones (TONES * TONES,) uint8 of what the network sees

    def plain(self, records: Sequence[Record]) -> Tensor:
        """The features (N, ...) float32 of N of these photos, on the device."""
        return self.embedder.stacked([self.rows[self.hashes[record.path]] for record in records])

    def tones(self, records: Sequence[Record]) -> NDArray[np.float32]:
        """The grey tones (N, TONES * TONES) of N of these photos."""
        unknown = torch.zeros(TONES * TONES, dtype=torch.uint8)  # one tone everywhere is like nothing
        return torch.stack([self.small.get(self.hashes[r.path], unknown) for r in records]).float().numpy()

    def augmented(
        self, records: Sequence[Record], augmentation: str, views: int
    ) -> Generator[Event, None, list[Tensor]]:
        """The features (N, ...) float32 of each of `views` augmented copies, the same for a photo in every run."""
        stacked = []
        for number in range(1, views + 1):
            keys = {r.path: f"{self.hashes[r.path]}:{augmentation}:{number}" for r in records}
            draw = self.embedder.random_view(augmentation, keys)
            view = View(keys, draw, Stage(f"embedding augmented view {number} of {views}", len(records)))
            yield from self.embedder.embed(records, view)
            stacked.append(self.embedder.stacked([view.rows[keys[record.path]] for record in records]))
        return stacked


@dataclass(slots=True)
class View:
    """One view of photos on its way through the backbone: what to draw of each, and what came out."""

    keys: Mapping[Path, str]  # of each photo's view, the same for the same bytes
    draw: Callable[[Record], Pixels]  # raises ImageError
    clock: Stage
    rows: dict[str, Tensor] = field(default_factory=dict)  # by key: features (...) float32, on the CPU
    small: dict[str, Tensor] = field(default_factory=dict)  # by key: tones (TONES * TONES,) uint8
    unreadable: dict[Path, str] = field(default_factory=dict)


class Embedder:
    """Runs the frozen backbone over files it has not seen yet, and keeps what comes out."""

    def __init__(
        self, backbone: Backbone, runtime: Runtime, settings: Settings, check_stop: Callable[[], None] = never,
        ahead: Decoded | None = None,
    ) -> None:  # fmt: skip
        self.backbone = backbone
        runtime.place(backbone.model)  # the head that learns belongs to it
        self.preprocess = backbone.preprocess
        self.model = runtime.place(folded(backbone.model, self.preprocess.crop)).eval()
        self.head = head_of(self.model, backbone.architecture)
        self.runtime = runtime
        self.settings = settings
        self.check_stop = check_stop
        self.ahead = ahead  # what was decoded before
        self.portion = Portion()
        # Whatever changes a feature belongs to the name of the pair; a changed number never meets an old row.
        numbers = {**self.preprocess.to_dict(), "short_side": self.preprocess.short_side}
        pair = [backbone.weights_hash, backbone.architecture.name, numbers, runtime.precision, "folded"]
        self.cache = FeatureCache(settings.cache / "features", json.dumps(pair), settings.cache_bytes)
        self.tones = FeatureCache(settings.cache / "features", json.dumps([numbers, TONES]), settings.cache_bytes)

    def look(self, data: ImageFolder) -> Generator[Event, None, Embedded]:
        """Embed every photo as the network sees it when it predicts."""
        hashes = content_hashes(data, self.settings, self.check_stop)
        view = View(hashes, self._plain_view, Stage("embedding photos", len(data.records)))
        yield from self.embed(data.records, view)
        return Embedded(self, hashes, view.rows, view.unreadable, view.small)

    def stacked(self, rows: Sequence[Tensor]) -> Tensor:
        """N rows (...) as one (N, ...) on the device."""
        return torch.stack(list(rows)).to(self.runtime.device)

    def random_view(self, augmentation: str, keys: Mapping[Path, str]) -> Callable[[Record], Pixels]:
        """Draws an augmented copy (H, W, 3) of a photo, the same for the same key."""
        transform = self.preprocess.random_view(augmentation)

        def draw(record: Record) -> Pixels:
            picture = self.preprocess.open(record.path)
            with RANDOM, torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(hashlib.sha256(keys[record.path].encode()).hexdigest()[:12], 16))
                return np.asarray(transform(picture))

        return draw

    def _plain_view(self, record: Record) -> Pixels:
        known = self.ahead.get(record, learns=False) if self.ahead else None
        if known is not None:
            return known
        return np.asarray(self.preprocess.view(self.preprocess.open(record.path)))

    def embed(self, records: Sequence[Record], view: View) -> Generator[Event, None, None]:
        """Fill `view`: from the cache, else by running the backbone, shared by the processes of a training."""
        keys = [view.keys[record.path] for record in records]
        view.rows |= self.cache.rows(keys)
        first = {view.keys[r.path]: r for r in reversed(records) if view.keys[r.path] not in view.rows}
        missing = _agreed(list(first.values()))
        mine = missing[self.runtime.accelerator.process_index :: self.runtime.accelerator.num_processes]
        computed: dict[str, Tensor] = {}
        view.clock.total = len(missing)
        for shard in batched(mine, SHARD):
            # Another run may have embedded the same files since: what is there is not computed twice.
            known = self.cache.rows([view.keys[record.path] for record in shard])
            rest = [record for record in shard if view.keys[record.path] not in known]
            fresh: dict[str, Tensor] = {}
            yield from self._run(rest, view, fresh, len(computed))
            computed |= known | fresh
        if self.cache.problem:
            yield Note(message=f"the feature cache is off: {self.cache.problem}; the training goes on without it")
        self._share(computed, records, view)
        view.small |= self.tones.rows(keys)

    def _run(
        self, records: Sequence[Record], view: View, rows: dict[str, Tensor], before: int
    ) -> Generator[Event, None, None]:
        """Compute one shard and keep it in the cache, also what there is of it when it is asked to stop."""
        shard, tones, written = GrowingShard(self.cache), GrowingShard(self.tones), time.monotonic()
        try:
            for event in self._computed(records, view, rows, before):
                if time.monotonic() - written > WRITE_EVERY:
                    shard.write(rows)
                    tones.write({key: view.small[key] for key in rows})
                    written = time.monotonic()
                if event:
                    yield event
        finally:
            shard.write(rows)
            tones.write({key: view.small[key] for key in rows})

    def _computed(
        self, records: Sequence[Record], view: View, rows: dict[str, Tensor], before: int
    ) -> Iterator[Event | None]:
        """Fill `rows`, decoding ahead in threads; yields after each batch. `before` these, so many were computed."""
        pictures = zip(records, in_order(lambda record: _tried(view.draw, record), records), strict=True)
        for batch in batched(pictures, EMBED_BATCH):
            self.check_stop()
            good = [(record, pixels) for record, pixels in batch if not isinstance(pixels, ImageError)]
            view.unreadable |= {r.path: str(pixels) for r, pixels in batch if isinstance(pixels, ImageError)}
            if good:
                features = self._forward(np.stack([pixels for _, pixels in good]))
                rows |= {view.keys[record.path]: row for (record, _), row in zip(good, features, strict=True)}
                view.small |= {view.keys[record.path]: _tones(pixels) for record, pixels in good}
            if told := self.portion.news():
                yield Note(message=told)
            done = (before + len(rows)) * self.runtime.accelerator.num_processes
            yield view.clock.due(min(view.clock.total, done))

    def _forward(self, pixels: Pixels) -> Tensor:
        """(B, H, W, 3) bytes to features (B, ...) float32 on the CPU, where they are kept and cached."""
        whole = torch.from_numpy(pixels)
        return self.portion.tried(len(whole), lambda n: torch.cat([self._passed(part) for part in whole.split(n)]))

    def _passed(self, pixels: Tensor) -> Tensor:
        images = self.preprocess.normalised(pixels.to(self.runtime.device))
        with self.runtime.accelerator.autocast():
            return backbone_outputs(self.model, self.head, images).float().cpu()

    def _share(self, computed: dict[str, Tensor], records: Sequence[Record], view: View) -> None:
        """Give every process the rows and refusals of all; files with the same bytes share a row or a refusal."""
        if self.runtime.accelerator.num_processes > 1:
            computed = dict(gather_object(list(computed.items())))
            view.unreadable = dict(gather_object(list(view.unreadable.items())))
            view.small = dict(gather_object(list(view.small.items())))
        view.rows |= computed
        reasons = {view.keys[path]: reason for path, reason in view.unreadable.items() if path in view.keys}
        for record in records:
            if view.keys[record.path] in reasons:
                view.unreadable.setdefault(record.path, reasons[view.keys[record.path]])


def embed_photos(
    data: ImageFolder, architecture: str, settings: Settings
) -> Generator[Event, None, tuple[NDArray[np.float32], Mapping[Path, str]]]:
    """Features (N, D) of the records that can be read, in their order, and the files that cannot, with the reason.

    For whoever is no training: from the cache that trainings fill, and filling it for them. Raises WeightsError.
    """
    backbone = yield from prepare_backbone(architecture, settings)
    embedded = yield from Embedder(backbone, make_runtime(backbone, settings), settings).look(data)
    readable = without(data, embedded.unreadable).records
    if not readable:
        raise DataError(
            f"No photo in {data.root.name} takes part, all are damaged or left out: copy them again or undo some."
        )
    return flat_features(embedded.plain(readable)).cpu().numpy(), embedded.unreadable


def _agreed(records: list[Record]) -> list[Record]:
    """The first process's list, so that all share the same work even if the cache changed in between."""
    holder = [records]
    broadcast_object_list(holder)
    return holder[0]


def _tones(pixels: Pixels) -> Tensor:
    """What is left of a square (H, H, 3) when it is shrunk to TONES * TONES grey bytes."""
    small = Image.fromarray(pixels).convert("L").resize((TONES, TONES), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small).reshape(-1))


def _tried(draw: Callable[[Record], Pixels], record: Record) -> Pixels | ImageError:
    try:
        return draw(record)
    except ImageError as error:
        return error
