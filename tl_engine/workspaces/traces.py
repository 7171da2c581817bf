"""All that there is of photos and runs besides themselves: copies, thumbnails, features, zips. Erased for forget.py."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tl_engine.base.files import file_hash
from tl_engine.base.names import POOLED
from tl_engine.base.settings import Settings
from tl_engine.data.manifest import forget_manifest
from tl_engine.evaluation.run_photos import SMALL, small_copy, why_copy
from tl_engine.ledger import set_aside
from tl_engine.photos.thumbnails import place
from tl_engine.runs.run import REPORT
from tl_engine.sources.collection import PREFIX
from tl_engine.workspaces.scratch import EXPORT, PACKED, ZIP, handed_folder, made_folder

FEATURES, EXPORTED = "features", "graphs"  # in the cache
OF_PHOTOS = ("reports",)  # in the cache: names of photos, by a name that tells nobody of which data set


def erase_handed(settings: Settings, before: float) -> None:
    """Remove what was handed out or arrived before that time, and what the cache holds of nobody knows whose photos.

    Gradio keeps what visitors send and are shown without saying whose it is.
    """
    for folder in (handed_folder(), *(settings.cache / name for name in OF_PHOTOS)):
        for current, folders, files in os.walk(folder, topdown=False):
            for file in files:
                with contextlib.suppress(OSError):
                    if (Path(current) / file).lstat().st_mtime < before:
                        (Path(current) / file).unlink()
            for name in folders:
                with contextlib.suppress(OSError):  # it holds what is younger
                    if (Path(current) / name).stat().st_mtime < before:
                        (Path(current) / name).rmdir()


def erase_packed(name: str) -> None:
    for kind in (ZIP, EXPORT):
        for packed in made_folder(kind, name).parent.glob(f"{name}-*"):
            shutil.rmtree(packed, ignore_errors=True)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def erase_photos(photos: Iterable[Path], root: Path, settings: Settings) -> None:
    """Remove all that there is of photos of the data set at `root` but themselves.

    Originals are known by their content, since a browser's upload has a name of its own; thumbnails by their name,
    which says whose they are.
    """
    contents: dict[int, set[str]] = {}
    names: set[str] = set()
    for photo in photos:
        with contextlib.suppress(OSError):
            contents.setdefault(photo.stat().st_size, set()).add(file_hash(photo))
            small = place(photo, settings)
            names.add(small.name)
            small.unlink(missing_ok=True)
    forget_manifest(root, settings)  # it holds the tones of every photo
    shutil.rmtree(made_folder(PACKED, root.name), ignore_errors=True)
    digests = set().union(*contents.values())
    _erase_pooled(digests, root, settings)
    copies = _erase_in_runs(digests, settings)
    _erase_features(digests, settings)
    _erase_seen(digests | copies, settings)
    for copy in handed_folder().rglob("*"):
        with contextlib.suppress(OSError):
            if copy.is_file() and (copy.name in names or _is_one_of(copy, contents)):
                copy.unlink()


def _erase_pooled(digests: set[str], root: Path, settings: Settings) -> None:
    """What a teacher collected of a class is named by its content."""
    for pooled in settings.uploads.glob(f"*/{PREFIX}*/{POOLED}"):
        for copied in pooled.parent.glob("*/*"):
            if copied.stem in digests and not copied.is_relative_to(root):
                copied.unlink(missing_ok=True)


def _erase_in_runs(digests: Iterable[str], settings: Settings) -> set[str]:
    """Small copies travel with the runs that used the photos, also with one that could still be brought back.

    Returns the digests of those that were removed.
    """
    removed: set[str] = set()
    small = {place(Path(), digest).name for digest in digests for place in (small_copy, why_copy)}
    places = (settings.runs.glob(f"{folder}/{REPORT}/{SMALL}/*") for folder in ("*", f"{set_aside.FOLDER}/*"))
    for copy in itertools.chain.from_iterable(places):
        if copy.name in small:
            with contextlib.suppress(OSError):
                removed.add(file_hash(copy))
            copy.unlink(missing_ok=True)
    return removed


def _erase_features(digests: set[str], settings: Settings) -> None:
    if not digests or not (settings.cache / FEATURES).is_dir():
        return
    from tl_engine.networks.feature_cache import drop_photos  # it brings torch along

    drop_photos(settings.cache / FEATURES, digests)


def _erase_seen(digests: set[str], settings: Settings) -> None:
    """What an export left of the photos that it was checked on."""
    if not digests or not (settings.cache / EXPORTED).is_dir():
        return
    from tl_engine.graphs.kept import forget_photos  # it brings onnx along

    forget_photos(settings, digests)


def _is_one_of(file: Path, contents: dict[int, set[str]]) -> bool:
    size = file.stat().st_size
    return size in contents and file_hash(file) in contents[size]
