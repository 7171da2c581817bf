"""From what a person names (a sample, a folder, a zip) to a checked image folder on this machine. No torch here."""

import hashlib
import os
import tempfile
import zipfile
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
        return scan(sample_folder(sample, settings, on_progress), settings.limits)
    path = _existing(data)
    if path is None:
        raise DataError(
            f"There is no folder, zip or sample {Path(data).name[:80]!r}: the samples are {', '.join(SAMPLES)}; "
            "a folder needs one folder per class inside."
        )
    if path.is_file():
        path = unpacked(path, settings.data_dir / "archives", settings.limits)
    return scan(path.resolve(), settings.limits)


def _existing(data: str) -> Path | None:
    """What is named, if it is there; names may be anything a person types."""
    try:
        path = Path(data).expanduser()
        return path if data.strip() and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # longer than names can be; ~nobody; a zero byte
        return None


def unpacked(archive: Path, parent: Path, limits: Limits) -> Path:
    """The folder with the contents of a zip, under `parent` and named by the hash, so that it is unpacked once."""
    try:
        folder = parent / content_name(archive)
    except OSError as error:
        raise DataError(f"{archive.name} cannot be read ({error.strerror}): copy it again.") from None
    if not folder.is_dir():
        _make_parent(parent)
        with _temporary(parent) as temporary:
            partial = Path(temporary, folder.name.rpartition("-")[0])  # refusals speak of the archive's own name
            unpack(archive, partial, limits)
            scan(partial, limits)  # what cannot be trained on leaves no files behind
            _publish(partial, folder, archive.name)
    return folder


def _publish(partial: Path, folder: Path, name: str) -> None:
    """Move what is complete to its place, at once; another process or visitor may have been faster."""
    try:
        os.replace(partial, folder)
    except OSError as error:
        if not folder.is_dir():
            raise DataError(f"{name} could not be written ({error.strerror}): make room on the disk.") from None


def present_folder(sample: Sample, settings: Settings) -> Path | None:
    """Where the sample already lies, if it does."""
    return next((f for name in sample.folders if (f := settings.data_dir / name).is_dir()), None)


def sample_folder(sample: Sample, settings: Settings, on_progress: OnProgress | None = None) -> Path:
    """The sample's folder, made whole or not at all when it is not there yet."""
    if folder := present_folder(sample, settings):
        return folder
    _make_parent(settings.data_dir)
    folder = settings.data_dir / sample.folders[0]
    with _temporary(settings.data_dir) as temporary:
        partial = Path(temporary, folder.name)
        try:
            sample.make(partial, on_progress)
        except OSError as error:
            raise DataError(f"The sample {sample.name} could not be written ({error.strerror}): make room.") from None
        _publish(partial, folder, f"The sample {sample.name}")
    return folder


def _temporary(parent: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder for what is not complete yet. Raises DataError where nothing can be written."""
    try:
        return tempfile.TemporaryDirectory(".part", ".", parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(
            f"Nothing can be written to the folder {parent.name} ({error.strerror}): make room, or name another "
            "data directory (--data-dir)."
        ) from None


def _make_parent(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {folder.name} cannot be made ({error.strerror}): name another data directory (--data-dir)."
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


def make_hymenoptera(
    folder: Path, on_progress: OnProgress | None, *, url: str = HYMENOPTERA_URL, tree: str = HYMENOPTERA_HASH
) -> None:
    """PyTorch's ants and bees, 47 MB, with every file's bytes checked against `tree`, a `tree_hash`."""
    archive = folder.with_suffix(".zip")
    try:
        download(url, archive, on_progress=on_progress)
    except DownloadError as error:
        raise DataError(
            f"The sample hymenoptera cannot be had here ({error}): use the sample digits, which needs no network, "
            "or put the folder hymenoptera into the data directory (--data-dir)."
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
            label="Handwritten digits (1,797)",
            folders=("digits",),
            make=_make_digits,
            offline=True,
        ),
        Sample(
            name="hymenoptera",
            label="Ants and bees (398 photos)",
            folders=("hymenoptera", "hymenoptera_data"),
            make=make_hymenoptera,
            offline=False,
        ),
    )
}
