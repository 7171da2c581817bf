"""From what a person names (a sample, a folder, a zip) to a checked image folder on this machine. No torch here."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tl_engine.archives import content_name, unpack
from tl_engine.dataset import ImageFolder, scan
from tl_engine.download import DownloadError, OnProgress, download
from tl_engine.errors import DataError
from tl_engine.settings import Limits, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A built-in data set: how to put it into a folder, and what to say of it."""

    name: str
    label: str
    folders: tuple[str, ...]  # names under the data directory that are this set already
    make: Callable[[Path, OnProgress | None], None]
    offline: bool


def load_data(data: str, settings: Settings, on_progress: OnProgress | None = None) -> ImageFolder:
    """The image folder behind a sample's name, a folder or a zip; a sample's name wins over a folder of that name.

    Raises DataError with one sentence when there is nothing to learn from.
    """
    if sample := SAMPLES.get(data):
        return scan(_sample_folder(sample, settings, on_progress), settings.limits)
    path = Path(data).expanduser()
    if path.is_file():
        return scan(unpacked(path, settings.data_dir / "archives", settings.limits), settings.limits)
    if not path.exists():
        raise DataError(
            f"There is no folder, zip or sample {data[:80]!r}: the samples are {', '.join(SAMPLES)}; "
            "a folder needs one folder per class inside."
        )
    return scan(path.resolve(), settings.limits)


def unpacked(archive: Path, parent: Path, limits: Limits) -> Path:
    """The folder with the contents of a zip, under `parent` and named by the hash, so that it is unpacked once."""
    folder = parent / content_name(archive)
    if not folder.is_dir():
        _make_parent(parent)
        unpack(archive, folder, limits)
        try:
            scan(folder, limits)  # what cannot be trained on leaves no files behind
        except DataError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


def present_folder(sample: Sample, settings: Settings) -> Path | None:
    """Where the sample already lies, if it does."""
    return next((f for name in sample.folders if (f := settings.data_dir / name).is_dir()), None)


def _sample_folder(sample: Sample, settings: Settings, on_progress: OnProgress | None) -> Path:
    if folder := present_folder(sample, settings):
        return folder
    _make_parent(settings.data_dir)
    folder = settings.data_dir / sample.folders[0]
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        sample.make(partial, on_progress)
        os.replace(partial, folder)
    except OSError as error:
        if not folder.is_dir():  # another process may have been faster
            raise DataError(f"The sample {sample.name} could not be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _make_parent(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The data directory {folder} cannot be made ({error.strerror}): name another with --data-dir."
        ) from None


def _make_digits(folder: Path, _on_progress: OnProgress | None) -> None:
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


def _make_hymenoptera(folder: Path, on_progress: OnProgress | None) -> None:
    """PyTorch's ants and bees, 47 MB, with every file's bytes checked."""
    archive = folder.with_suffix(".zip")
    try:
        download(HYMENOPTERA_URL, archive, on_progress=on_progress)
        unpack(archive, folder, Limits())
    except DownloadError as error:
        raise DataError(
            f"The sample hymenoptera cannot be had here: {error}. Use the sample digits, which needs no network, "
            "or put the folder hymenoptera into the data directory (--data-dir)."
        ) from None
    finally:
        archive.unlink(missing_ok=True)
    if tree_hash(folder) != HYMENOPTERA_HASH:
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
            label="Handwritten digits (1,797 tiny pictures, 10 classes)",
            folders=("digits",),
            make=_make_digits,
            offline=True,
        ),
        Sample(
            name="hymenoptera",
            label="Ants and bees (398 photos, 47 MB)",
            folders=("hymenoptera", "hymenoptera_data"),
            make=_make_hymenoptera,
            offline=False,
        ),
    )
}
