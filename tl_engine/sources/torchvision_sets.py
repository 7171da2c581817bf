"""Well-known data sets through torchvision.datasets: a small, even part of each as class folders.

torchvision checks the archives' hashes and knows their layouts; the download itself is ours, so that it fails fast and
tells its progress. torch is imported inside functions only.
"""

import random
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tl_engine.backbones.libraries import import_without_compiler
from tl_engine.base.download import download
from tl_engine.base.names import class_folder_names
from tl_engine.base.progress import OnProgress
from tl_engine.sources.room import MOST_TAKEN, unavailable

Item = tuple[str | Path | None, int]  # a photo's file, if it has one, and its class
SEED = 0  # of the drawing: everybody's copy is the same
TRAIN, VAL = MOST_TAKEN * 4 // 5, MOST_TAKEN // 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One split: the most taken of it, the folder it goes to ("": the top), what torchvision calls it."""

    most: int
    folder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionSet:
    """A class of torchvision.datasets: where its files come from and how to read labels and files off an instance."""

    name: str
    title: str
    kind: str  # in torchvision.datasets
    archives: Mapping[str, int]  # address -> bytes
    below: str  # where torchvision looks for the archives, under its root
    parts: tuple[Part, ...]
    items: Callable[[Any], Iterable[Item]]

    @property
    def images(self) -> int:
        """How many photos are taken."""
        return sum(part.most for part in self.parts)

    @property
    def download_bytes(self) -> int:
        """What has to be fetched for that."""
        return sum(self.archives.values())


def torchvision_set(kind: str, root: Path, options: Mapping[str, Any]) -> Any:
    """An instance of that class of torchvision.datasets; what is missing below `root` is downloaded."""
    datasets = import_without_compiler("torchvision.datasets")
    return getattr(datasets, kind)(root, download=True, **options)


def make_vision_set(
    folder: Path,
    on_progress: OnProgress | None,
    *,
    row: VisionSet,
    opened: Callable[[str, Path, Mapping[str, Any]], Any] = torchvision_set,
) -> None:
    """Fill `folder` with that data set; what was downloaded stays beside it, for the caller to remove.

    Raises DataError naming what works without a network, whatever went wrong on the way.
    """
    root = folder.with_name("torchvision")
    try:
        _fetch(row, root / row.below, on_progress)
        for part in row.parts:
            _write(opened(row.kind, root, part.options), row.items, folder / part.folder, part.most)
    except Exception as error:  # torchvision, tarfile, zipfile and zlib each have their own
        raise unavailable(
            f"The sample {row.name}", error, f"put the folder {row.name} into the data directory (--data-dir)"
        ) from error


def _fetch(row: VisionSet, folder: Path, on_progress: OnProgress | None) -> None:
    before = 0

    def tell(done: int, _total: int) -> None:
        if on_progress:
            on_progress(before + done, row.download_bytes)

    for url, size in row.archives.items():
        download(url, folder / url.rpartition("/")[2], on_progress=tell)
        before += size


def _write(photos: Any, items: Callable[[Any], Iterable[Item]], folder: Path, most: int) -> None:
    """The original files where there are some, PNG files where a photo is only in memory."""
    files, labels = zip(*items(photos), strict=True)
    classes = class_folder_names([readable(name) for name in photos.classes])
    for index in drawn(labels, most):
        target = folder / classes[labels[index]] / f"{index:05d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if files[index] is None:
            photos[index][0].save(target.with_suffix(".png"))
        else:
            source = Path(files[index])
            shutil.copyfile(source, target.with_suffix(source.suffix.lower()))


def drawn(labels: Sequence[int], most: int) -> list[int]:
    """Up to `most` places in `labels`, as evenly over the classes as there are photos, the same each time."""
    queues: dict[int, list[int]] = {}
    for index in random.Random(SEED).sample(range(len(labels)), len(labels)):
        queues.setdefault(labels[index], []).append(index)
    rounds = [(turn, index) for queue in queues.values() for turn, index in enumerate(queue)]
    return sorted(index for _, index in sorted(rounds)[:most])


def readable(name: str | tuple[str, ...]) -> str:
    """A class name in words: the first of several, `SeaLake` as `Sea Lake`."""
    first = name if isinstance(name, str) else name[0]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", first)


FLOWERS = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"  # torchvision checks the hashes
EUROSAT = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/"
VISION_SETS = (
    VisionSet(
        name="imagenette",
        title="Imagenette, 10 things",
        kind="Imagenette",
        archives={"https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz": 99_003_388},
        below="",
        parts=(
            Part(most=TRAIN, folder="train", options={"split": "train", "size": "160px"}),
            Part(most=VAL, folder="val", options={"split": "val", "size": "160px"}),
        ),
        items=lambda photos: photos._samples,
    ),
    VisionSet(
        name="oxford-pets",
        title="Oxford pets, 37 breeds",
        kind="OxfordIIITPet",
        archives={f"{PETS}images.tar.gz": 791_918_971, f"{PETS}annotations.tar.gz": 19_173_078},
        below="oxford-iiit-pet",
        parts=(
            Part(most=TRAIN, folder="train", options={"split": "trainval"}),
            Part(most=VAL, folder="val", options={"split": "test"}),
        ),
        items=lambda photos: zip(photos._images, photos._labels, strict=True),
    ),
    VisionSet(
        name="flowers102",
        title="Oxford flowers, 102 kinds",
        kind="Flowers102",
        archives={
            f"{FLOWERS}102flowers.tgz": 344_862_509,
            f"{FLOWERS}imagelabels.mat": 502,
            f"{FLOWERS}setid.mat": 14_989,
        },
        below="flowers-102",
        parts=(
            Part(most=1_020, folder="train", options={"split": "train"}),  # all ten of each
            Part(most=MOST_TAKEN - 1_020, folder="val", options={"split": "val"}),
        ),
        items=lambda photos: zip(photos._image_files, photos._labels, strict=True),
    ),
    VisionSet(
        name="eurosat",
        title="EuroSAT, 10 kinds of land from space",
        kind="EuroSAT",
        archives={f"{EUROSAT}EuroSAT.zip": 94_280_567},
        below="eurosat",
        parts=(Part(most=MOST_TAKEN),),
        items=lambda photos: photos.samples,
    ),
    VisionSet(
        name="fashion-mnist",
        title="Fashion-MNIST, 10 kinds of clothes",
        kind="FashionMNIST",
        archives={
            f"{FASHION}train-images-idx3-ubyte.gz": 26_421_880,
            f"{FASHION}train-labels-idx1-ubyte.gz": 29_515,
            f"{FASHION}t10k-images-idx3-ubyte.gz": 4_422_102,
            f"{FASHION}t10k-labels-idx1-ubyte.gz": 5_148,
        },
        below="FashionMNIST/raw",
        parts=(
            Part(most=TRAIN, folder="train", options={"train": True}),
            Part(most=VAL, folder="val", options={"train": False}),
        ),
        items=lambda photos: ((None, int(label)) for label in photos.targets),
    ),
)
