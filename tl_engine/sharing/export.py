"""One export from beginning to end: as a zip, as a folder of a page, as a page in one file.

What is made lies in a temporary folder until it was checked; what is there afterwards is whole and agrees with the app.
"""

import contextlib
import importlib.util
import shutil
import time
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_engine.base.errors import RunError
from tl_engine.base.events import Event, Progress
from tl_engine.base.files import appearing, is_disk_full, make_parent, temporary
from tl_engine.base.settings import Settings

if TYPE_CHECKING:
    from tl_engine.sharing.bundle import Bundle

PACKED = (".txt", ".json", ".py", ".md")  # text is worth packing, weights are not
LEFT_SECONDS = 24 * 3600  # a killed export's temporary folder goes after so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where an export goes; None: not wanted."""

    zip: Path | None = None
    page: Path | None = None  # a folder
    single: Path | None = None  # a file
    lite: bool = False  # whether the zip has the classifier for LiteRT too


def export(classifier: Path, settings: Settings, to: Destinations) -> Generator[Event, None, dict[str, Any]]:
    """Export the classifier in `classifier` (`best/`); json-ready what was written, and what it agrees on.

    Raises DisagreementError where it says something else than the app, RunError or WeightsError where it cannot be had
    or written.
    """
    parent = settings.cache / "exports"
    make_parent(parent)
    _sweep(parent)
    try:
        with temporary(parent) as place:
            return (yield from _exported(classifier, settings, to, Path(place)))
    except OSError as error:
        raise _in_words(error) from None


def _exported(
    classifier: Path, settings: Settings, to: Destinations, place: Path
) -> Generator[Event, None, dict[str, Any]]:
    from tl_engine.sharing.bundle import make_bundle

    if to.lite and importlib.util.find_spec("litert_torch") is None:
        raise RunError(
            "model.tflite needs the package litert-torch, which is not installed (1 GB): "
            "`pip install litert-torch`, or leave --tflite out."
        )
    web = to.page or to.single
    if web:  # first: without it nothing else needs to be made
        from tl_engine.sharing.web_runtime import find_web_runtime

        yield Progress(stage="getting onnxruntime-web", done=0, total=1)
        runtime = find_web_runtime(settings)
    bundle = yield from make_bundle(classifier, settings, place, lite=to.lite)
    yield Progress(stage="writing it", done=0, total=1)
    made: dict[str, Any] = {"files": [{"name": f.name, "bytes": f.stat().st_size} for f in bundle.files]}
    if to.zip:
        _zip(bundle, to.zip)
        made["out"] = str(to.zip)
    if web:
        from tl_engine.sharing.static_page import write_page, write_single

        bundle.choose(bundle.smallest())
        if to.page:
            made["page"] = [{"name": f.name, "bytes": f.stat().st_size} for f in write_page(place, to.page, runtime)]
        if to.single:
            file = write_single(place, to.single, runtime)
            made["single"] = {"name": file.name, "bytes": file.stat().st_size}
    return made | {"verified": bundle.verified}


def _zip(bundle: "Bundle", path: Path) -> None:
    """A bundle as one zip, whole or not at all. Raises OSError."""
    make_parent(path.parent)
    with appearing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for file in bundle.files:
            kind = zipfile.ZIP_DEFLATED if file.suffix in PACKED else zipfile.ZIP_STORED
            archive.write(file, file.name, kind)


def _sweep(parent: Path) -> None:
    """Remove what killed exports left."""
    for folder in parent.glob(".*.part"):
        with contextlib.suppress(OSError):  # another export may sweep too
            if time.time() - folder.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _in_words(error: OSError) -> RunError:
    """The sentence for an export that could not be written."""
    reason = "the disk is full" if is_disk_full(error) else error.strerror or "input/output error"
    return RunError(
        f"The export could not be written ({reason}): make room or name another place; nothing was left there."
    )
