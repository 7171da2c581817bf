"""What a notebook or a script calls: the same trainings, reports and classifiers as the page's and the terminal's.

Nothing here reaches torch before it computes. Everything takes `settings`; without it the folders are those of the
TL_* variables, else the project's own.
"""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE, get_architecture
from tl_engine.backbones.weights import check_weights
from tl_engine.base.errors import RunError
from tl_engine.base.events import Event
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.base.written import AUTO
from tl_engine.data.dataset import ImageFolder
from tl_engine.data.reading import Reading
from tl_engine.evaluation.report import report_afterwards
from tl_engine.hub.classifiers import classifier_folder
from tl_engine.inspection.findings import Report
from tl_engine.inspection.report import make_report
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import named_run, started_with
from tl_engine.runs.run import Run
from tl_engine.sources import intake


def train(config: TrainConfig, *, name: str | None = None, settings: Settings | None = None) -> Iterator[Event]:
    """Train in this process and yield what happens, as it is logged in the run's folder; the last is a RunEnded.

    The run is one like any other: page and terminal list it under `name` (by default the time), `find(name)` finds its
    classifier. Going through the events is what drives the training; leaving them early stops it, and the best epoch
    so far is kept. Raises DataError, WeightsError, ConfigError or RunError now, before a folder is made.
    """
    here = settings or Settings.make()
    data = _checked(config, here)
    called = name or f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    run = queue.create(config, here, called, process=os.getpid())
    return _events(config, data, run, here)


def resume(name: str, *, settings: Settings | None = None) -> Iterator[Event]:
    """Go on with a run that was stopped, interrupted or failed, by its name or folder; yields as `train` does.

    It takes the settings and photos that the run was started with, begins after the last epoch that had ended, and
    comes to what it would have come to without a break. Raises RunError for a run that is finished or going on,
    DataError or WeightsError where its photos or weights are gone, now, before anything is changed.
    """
    run = named_run(name, settings or Settings.make())
    if refusal := queue.no_way_on(run):
        raise RunError(refusal)
    config, as_before = started_with(run, {})
    here = settings or as_before
    data = _checked(config, here)
    queue.take_up(run)
    return _events(config, data, run, here, resume=True)


def _checked(config: TrainConfig, settings: Settings) -> ImageFolder:
    """The data. Raises WeightsError or DataError."""
    if config.strategy != "from-scratch":
        check_weights(get_architecture(config.architecture), settings)
    return intake.load_data(config.data, settings, reading=config.reading)


def _events(
    config: TrainConfig, data: ImageFolder, run: Run, settings: Settings, *, resume: bool = False
) -> Iterator[Event]:
    from tl_engine.training.trainer import Training
    from tl_engine.training.trainer import train as events_of

    training = Training(
        config=config, data=data, folder=run.folder, settings=settings, stop_asked=run.stop_asked, resume=resume
    )
    for event in events_of(training):
        try:
            logged = run.log(event)
        except OSError:  # a full disk: the training goes on whatever becomes of its log
            logged = event
        yield logged
    watched(report_afterwards(run, settings), lambda _event: None)


def inspect(
    data: str | Path, *, architecture: str = DEFAULT_ARCHITECTURE, layout: str = AUTO, settings: Settings | None = None
) -> Report:
    """What is in a data set and what is wrong with it: files left out, duplicates, doubtful labels, advice.

    `data` is what `TrainConfig.data` takes; `architecture` the backbone whose features judge. Raises DataError, a
    Question (a DataError) where the folders can be read in two ways, or WeightsError.
    """
    here = settings or Settings.make()
    located = intake.locate(str(data), here, reading=Reading(layout=layout))
    return watched(make_report(located, here, architecture), lambda _event: None)


def load_data(
    data: str | Path, *, layout: str = AUTO, zip_names: str = AUTO, settings: Settings | None = None
) -> ImageFolder:
    """The photos of a sample, folder, zip or hub set as records (path, label, split), with what was left out and why.

    Raises DataError when there is nothing to learn from, a Question where it can be read in two ways.
    """
    reading = Reading(layout=layout, zip_names=zip_names)
    return intake.load_data(str(data), settings or Settings.make(), reading=reading)


def find(name: str, *, settings: Settings | None = None) -> Path:
    """The folder of a classifier by what a person calls it, for `Predictor.load`: a run, one that ships, a folder, or
    hub:USER/NAME, which is fetched.

    Raises RunError when there is none, and for imagenet, which is no folder: `Predictor.imagenet()`; HubError.
    """
    folder = classifier_folder(name, settings or Settings.make())
    if folder is None:
        raise RunError("imagenet is a backbone as it comes and no folder: use Predictor.imagenet().")
    return folder
