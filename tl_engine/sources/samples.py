"""The built-in data sets: what they are called, and how each becomes a folder. No torch here."""

import functools
import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tl_engine.base.download import DownloadError, download
from tl_engine.base.errors import DataError
from tl_engine.base.files import is_folder, made_whole, make_parent
from tl_engine.base.progress import OnProgress
from tl_engine.base.settings import MEGABYTE, Limits, Settings
from tl_engine.sources.room import check_room, unavailable
from tl_engine.sources.torchvision_sets import VISION_SETS, make_vision_set
from tl_engine.zips.archives import unpack

ROOM = 3  # times the download: the archive, what is in it, and what is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A built-in data set: how to put it into a folder, and what to say of it."""

    name: str
    title: str
    folders: tuple[str, ...]  # names that are this set already, in the host's data directory or among our own
    make: Callable[[Path, OnProgress | None], None]
    images: int  # how many are taken
    download_bytes: int = 0  # 0: none

    @property
    def offline(self) -> bool:
        """Whether it can be made without a network."""
        return not self.download_bytes

    @property
    def label(self) -> str:
        """What a page calls it before it is there, with what it costs: `Ants and bees (398 photos, 47 MB download)`."""
        if self.offline:
            return self.present_label
        return f"{self.present_label[:-1]}, {round(self.download_bytes / MEGABYTE)} MB download)"

    @property
    def present_label(self) -> str:
        """What a page calls it once it is there: `Ants and bees (398 photos)`."""
        return f"{self.title} ({self.images:,} photos)"


def present_folder(sample: Sample, settings: Settings) -> Path | None:
    """Where the sample already lies, if it does: in the host's data directory, or where samples are made."""
    places = (settings.data_dir, settings.samples)
    return next((f for place in places for name in sample.folders if is_folder(f := place / name)), None)


def sample_folder(sample: Sample, settings: Settings, on_progress: OnProgress | None = None) -> Path:
    """The sample's folder, made whole or not at all when it is not there yet."""
    if folder := present_folder(sample, settings):
        return folder
    if not sample.offline:
        make_parent(settings.samples)
        check_room(settings.samples, ROOM * sample.download_bytes, settings.limits)
    folder = settings.samples / sample.folders[0]
    return made_whole(folder, f"The sample {sample.name}", lambda partial: sample.make(partial, on_progress))


def make_digits(folder: Path, _on_progress: OnProgress | None) -> None:
    """Scikit-learn's 1,797 handwritten digits, 8 x 8 pixels in 17 greys, as PNG files."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        target = folder / str(label) / f"{index:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * (255 / 16)).round().astype(np.uint8)).save(target)


HYMENOPTERA_URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
HYMENOPTERA_HASH = "09b04960d40ea4c276af6130f0ef37f96d7cec47cd98d180fff2c6b5de53852f"


def make_hymenoptera(
    folder: Path, on_progress: OnProgress | None, *, url: str = HYMENOPTERA_URL, tree: str = HYMENOPTERA_HASH
) -> None:
    """PyTorch's ants and bees, 47 MB, with every file's bytes checked against `tree`, a `tree_hash`."""
    archive = folder.with_suffix(".zip")
    try:
        download(url, archive, on_progress=on_progress)
    except DownloadError as error:
        raise unavailable(
            "The sample hymenoptera", error, "put the folder hymenoptera into the data directory (--data-dir)"
        ) from None
    # A portal's login page arrives in place of the zip.
    if zipfile.is_zipfile(archive):
        unpack(archive, folder, Limits())
    archive.unlink()
    if tree_hash(folder) != tree:
        raise DataError("The sample hymenoptera arrived changed or damaged: try again later, or use digits.")


def tree_hash(folder: Path) -> str:
    """One hash over every file's last three names (split/class/file) and bytes, whatever folder wraps them."""
    lines = []
    for path in folder.rglob("*"):
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{'/'.join(path.parts[-3:])} {digest}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample(
            name="digits",
            title="Handwritten digits",
            folders=("digits",),
            make=make_digits,
            images=1_797,
        ),
        Sample(
            name="hymenoptera",
            title="Ants and bees",
            folders=("hymenoptera", "hymenoptera_data"),
            make=make_hymenoptera,
            images=398,
            download_bytes=47_286_322,
        ),
        *(
            Sample(
                name=row.name,
                title=row.title,
                folders=(row.name,),
                make=functools.partial(make_vision_set, row=row),
                images=row.images,
                download_bytes=row.download_bytes,
            )
            for row in VISION_SETS
        ),
    )
}
