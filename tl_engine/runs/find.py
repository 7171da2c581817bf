"""Finding a run and its classifier by what a person calls it: `imagenet`, a run, a folder, or one that ships."""

from collections.abc import Mapping
from pathlib import Path

from tl_engine.base.errors import RunError
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_path
from tl_engine.runs.config import SETTINGS, TrainConfig
from tl_engine.runs.run import CONFIG, NAME, OPEN_STATES, Run, find_run
from tl_engine.runs.saved_classifier import saved_folder, sweep

IMAGENET = "imagenet"
OPENS_WITH = "opens-with.txt"  # beside the shipped classifiers: the name of the one that a page begins with


def shipped(settings: Settings) -> list[str]:
    """The names of the classifiers that come with the program."""
    folders = settings.demo.iterdir() if settings.demo.is_dir() else ()
    return sorted(folder.name for folder in folders if saved_folder(folder) == folder)


def opens_with(settings: Settings) -> str:
    """The classifier that a page begins with: the shipped one that was chosen to, else `imagenet`."""
    try:
        chosen = (settings.demo / OPENS_WITH).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return IMAGENET
    return chosen if chosen in shipped(settings) else IMAGENET


def named_run(name: str, settings: Settings) -> Run:
    """A run by its name or its folder. Raises RunError."""
    folder = written_path(name)
    return Run(folder.resolve()) if (folder / CONFIG).is_file() else find_run(name, settings)


def started_with(run: Run, folders: Mapping[str, str | None]) -> tuple[TrainConfig, Settings]:
    """What a run was started with, its settings and folders; a folder that `folders` names wins.

    Raises ConfigError for settings that this version does not take.
    """
    options = run.facts.options
    named = {name: folders.get(name) or options.get(name) for name in ("data_dir", "weights_dir", "cache_dir")}
    config = TrainConfig.from_options({name: options[name] for name in SETTINGS if name in options})
    return config, Settings.make(runs=str(run.folder.parent), **named)


def classifier_of(run: Run) -> Path | None:
    """The best classifier of a run; None if it has none. What a killed process left beside it is swept."""
    if run.state() not in OPEN_STATES:  # else its process may be saving this moment
        sweep(run.best)
    return saved_folder(run.best)


def named_classifier(name: str, settings: Settings) -> Path | None:
    """The folder (`best/`) of a run or a shipped classifier; None for `imagenet`. Never a path, so safe for a page.

    Raises RunError.
    """
    if name == IMAGENET:
        return None
    if NAME.fullmatch(name) and (settings.runs / name).is_dir():
        return _of_run(Run(settings.runs / name), name)
    if name in shipped(settings):
        return settings.demo / name
    choices = ", ".join([IMAGENET, *shipped(settings)])
    raise RunError(f"There is no run or classifier {name[:80]!r}: name a run, or {choices}.")


def classifier_folder(name: str, settings: Settings) -> Path | None:
    """The same for a terminal, where a person may also name any folder."""
    folder = written_path(name).resolve()
    if not folder.is_dir() or (NAME.fullmatch(name) and (settings.runs / name).is_dir()):
        return named_classifier(name, settings)
    run = Run(folder)
    if run.facts.options or saved_folder(run.best):
        return _of_run(run, name)
    if saved_folder(folder) is None:
        raise _none_in(name)
    return folder


def _of_run(run: Run, name: str) -> Path:
    if classifier_of(run) is None:
        raise _none_in(name)
    return run.best


def _none_in(name: str) -> RunError:
    return RunError(f"{name[:80]} holds no classifier: train one there, or name another run or folder.")
