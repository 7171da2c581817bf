"""Finding a classifier by what a person calls it: `imagenet`, a run, a folder, or one that ships. No torch here."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from tl_engine.errors import RunError
from tl_engine.run_folder import Run
from tl_engine.runs import NAME
from tl_engine.settings import Settings
from tl_engine.written import written_path

if TYPE_CHECKING:
    from tl_engine.predictor import Predictor

IMAGENET = "imagenet"


def shipped(settings: Settings) -> list[str]:
    """The names of the classifiers that come with the program."""
    folders = settings.demo.iterdir() if settings.demo.is_dir() else ()
    return sorted(folder.name for folder in folders if (folder / "meta.json").is_file())


def named_classifier(name: str, settings: Settings) -> Path | None:
    """The folder (`best/`) of a run or a shipped classifier; None for `imagenet`. Never a path, so safe for a page.

    Raises RunError.
    """
    if name == IMAGENET:
        return None
    if NAME.fullmatch(name) and (settings.runs / name).is_dir():
        return _with_classifier(settings.runs / name / "best", name)
    if name in shipped(settings):
        return settings.demo / name
    choices = ", ".join([IMAGENET, *shipped(settings)])
    raise RunError(f"There is no run or classifier {name[:80]!r}: name a run, or {choices}.")


def classifier_folder(name: str, settings: Settings) -> Path | None:
    """The same for a terminal, where a person may also name any folder."""
    folder = written_path(name).resolve()
    if not folder.is_dir() or (NAME.fullmatch(name) and (settings.runs / name).is_dir()):
        return named_classifier(name, settings)
    best = folder / "best"
    return _with_classifier(best if best.is_dir() or Run(folder).options() else folder, name)


def _with_classifier(folder: Path, name: str) -> Path:
    if not any((place / "meta.json").is_file() for place in (folder, folder.with_name(f".{folder.name}.old"))):
        raise RunError(f"{name[:80]} holds no classifier: train one there, or name another run or folder.")
    return folder


def load_classifier(folder: Path | None, settings: Settings) -> "Predictor":
    """The classifier of a folder (None: the default backbone as it comes). Raises RunError or WeightsError."""
    from tl_engine.predictor import Predictor  # torch takes seconds, so whoever names nothing real never waits for it

    if folder is None:
        return Predictor.imagenet(settings)
    # A run remembers where its backbone came from, so that predicting needs no --weights-dir.
    remembered = Run(folder.parent).options().get("weights_dir")
    if remembered and settings.weights_dir is None:
        settings = dataclasses.replace(settings, weights_dir=Path(remembered))
    return Predictor.load(folder, settings)
