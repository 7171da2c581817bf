"""What the Train tab and the programs' endpoints do: starting a training, going on with it, packing what came of it."""

import contextlib
import os
import secrets
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tl_engine.backbones.architectures import get_architecture
from tl_engine.backbones.weights import check_weights
from tl_engine.base.errors import ConfigError, DataError, RunError, WeightsError
from tl_engine.base.names import slug
from tl_engine.lab.trials import THREE
from tl_engine.runs import open_runs, queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import classifier_of, started_with
from tl_engine.runs.process import Spare
from tl_engine.runs.run import OPEN_STATES, Run
from tl_engine.runs.saved_classifier import saved_at
from tl_engine.runs.titles import title_of
from tl_engine.sources import intake
from tl_engine.sources.hub import PREFIX
from tl_engine.sources.samples import SAMPLES
from tl_engine.vitals.limits import check_epochs, within_epochs
from tl_engine.workspaces import corrections
from tl_engine.workspaces.chosen import Chosen
from tl_engine.workspaces.scratch import ZIP, new_folder
from tl_engine.workspaces.workspace import Workspace, new_token, open_run

STARTING = threading.Lock()
MOST_WAITING = 20  # runs in the queue; more are refused
HOST_ONLY = ("runs", "name", "config", "data_dir", "weights_dir", "workspace")


def start(options: Mapping[str, Any], visitor: Workspace, spare: Spare | None = None) -> tuple[Run, bool]:
    """Start a training, or give back the one this visitor has going: (run, whether it is new).

    Everything is checked before a folder is made. Raises EngineError in words for the person who asked.
    """
    if going := going_run(visitor):
        return going, False
    config = checked_config(options, visitor)
    with STARTING:  # checking takes seconds, in which another tab may have been faster
        if going := going_run(visitor):
            return going, False
        waiting = len(open_runs.names(visitor.settings.runs))
        if waiting > MOST_WAITING:
            raise RunError(f"{waiting - 1} trainings are waiting already: try again when some have ended.")
        chosen = visitor.data(options.get("data"))
        run = queue.start(config, visitor.settings, new_token(), visitor.token, spare, chosen.run_title, photos(chosen))
        return run, True


def resume(token: str, visitor: Workspace, spare: Spare | None = None) -> Run:
    """Have a run of this visitor's own go on where it was left, after what waits already.

    Everything is checked before anything changes; a second press finds it going on. Raises EngineError.
    """
    run = open_run(token, visitor.settings)
    if not visitor.owns(run):
        raise RunError("This training is not yours: only who started it goes on with it.")
    with STARTING:
        going = going_run(visitor)
        if going == run:
            return run
        if going:
            raise RunError("Your training is still going on: wait for it, or stop it first.")
        if refusal := queue.no_way_on(run):
            raise RunError(refusal)
        config, _ = started_with(run, {})
        if config.strategy != "from-scratch":
            check_weights(get_architecture(config.architecture), visitor.settings)
        _check_there(config, visitor)
        queue.resume(run, visitor.settings, spare)
    return run


def _check_there(config: TrainConfig, visitor: Workspace) -> None:
    """Raise DataError where the photos are gone; what is downloaded may be had again."""
    if config.data in SAMPLES or config.data.startswith(PREFIX):
        return
    with contextlib.suppress(DataError):
        if intake.locate(config.data, visitor.settings, reading=config.reading).root.is_dir():
            return
    raise DataError("The photos that this training learnt from are gone, so it cannot go on: train anew on others.")


def going_run(visitor: Workspace) -> Run | None:
    """The run of this visitor that waits or is at work."""
    going = open_runs.listed(visitor.settings.runs)
    return next((r for r in going if visitor.owns(r) and r.state() in OPEN_STATES), None)


def lab_title(chosen: Chosen) -> str:
    """What the trainings of a lab on that data set are called."""
    return f"Lab: {chosen.run_title}"


def lab_configs(choice: str | None, architecture: str, visitor: Workspace) -> tuple[list[TrainConfig], list[str]]:
    """The trainings of a lab, all judged on the same photos held out, and why some cannot be.

    Raises EngineError where none can.
    """
    if going_run(visitor):
        raise RunError("Your training is still going on: wait for it, or stop it first.")
    configs, left_out = [], []
    for strategy in THREE:
        options = {"data": choice, "architecture": architecture, "strategy": strategy, "judge": "split"}
        try:
            configs.append(checked_config(options, visitor))
        except (ConfigError, WeightsError) as error:
            said = error.for_visitors if isinstance(error, WeightsError) else str(error)
            left_out.append(f"{strategy}: {said}")
    if not configs:
        raise RunError(left_out[0])
    return configs, left_out


def start_lab(choice: str | None, architecture: str, visitor: Workspace, spare: Spare | None = None) -> list[Run]:
    """Queue the trainings of a lab, one after the other. Raises EngineError."""
    configs, _ = lab_configs(choice, architecture, visitor)
    title, number = lab_title(visitor.data(choice)), photos(visitor.data(choice))
    with STARTING:
        waiting = len(open_runs.names(visitor.settings.runs))
        if waiting + len(configs) > MOST_WAITING:
            raise RunError(f"{waiting} trainings are waiting already: try again when some have ended.")
        return [queue.start(c, visitor.settings, new_token(), visitor.token, spare, title, number) for c in configs]


def checked_config(options: Mapping[str, Any], visitor: Workspace) -> TrainConfig:
    """The options as a config whose data this visitor may read and whose weights can be had. Raises EngineError."""
    given = {key.replace("-", "_"): value for key, value in options.items()}
    if forbidden := [key for key in HOST_ONLY if key in given]:
        raise ConfigError(f"{forbidden[0].replace('_', '-')} is the host's to set, in the terminal: leave it out.")
    preset, limits = given.pop("preset", None), visitor.settings.limits
    config = TrainConfig.from_options(given, preset)
    if "epochs" not in given and not within_epochs(config, limits):  # a default: nobody asked for so many
        given["epochs"] = limits.epochs
        config = TrainConfig.from_options(given, preset)
    check_epochs(config, limits)
    chosen = visitor.data(config.data)
    chosen.described(config.layout)
    if config.strategy != "from-scratch":
        check_weights(get_architecture(config.architecture), visitor.settings)
    return TrainConfig.from_options(given | {"data": corrections.frozen(chosen)}, preset)


def photos(chosen: Chosen) -> int | None:
    """How many photos a training on that data set will look at; None while nobody knows."""
    with contextlib.suppress(DataError, OSError):
        data = chosen.described()
        return len(data.records) if data else None
    return None


def packed(run: Run) -> Path | None:
    """The classifier of a run as a zip, made once, with a name that says what it is; None if the run has none."""
    found = classifier_of(run)
    if found is None:
        return None
    plain = slug(f"{title_of(run)[:40]}-{run.facts.architecture}", otherwise="classifier")
    folder = new_folder(ZIP, f"{run.name}-{saved_at(found)}")
    archive = folder / f"{plain}.zip"
    os.utime(folder)  # in use
    if not archive.is_file():
        partial = folder / f".{secrets.token_hex(4)}"  # two viewers may pack at once; the last one stays
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as opened:
            for file in sorted(found.iterdir()):
                opened.write(file, file.name)
        partial.replace(archive)
    return archive
