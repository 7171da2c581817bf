"""`python -m tl_engine train`, `resume` and `spare`: check everything, make or take up the run's folder, then train."""

import argparse
import contextlib
import dataclasses
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from tl_engine.backbones.architectures import Architecture, get_architecture
from tl_engine.backbones.libraries import import_without_compiler
from tl_engine.backbones.weights import check_weights
from tl_engine.base.errors import ConfigError, EngineError, RunError
from tl_engine.base.events import RunEnded
from tl_engine.base.parallel import hung
from tl_engine.base.progress import telling, watched
from tl_engine.base.settings import Settings
from tl_engine.base.written import written_options, written_path
from tl_engine.commands.printing import FAILED, FINISHED, INTERRUPTED, JsonLines, Printer, ReadableLog, Teller
from tl_engine.data.dataset import ImageFolder
from tl_engine.evaluation.report import report_afterwards
from tl_engine.runs import queue
from tl_engine.runs.config import TrainConfig
from tl_engine.runs.find import named_run, started_with
from tl_engine.runs.process import ASKED_AT
from tl_engine.runs.run import CONFIG, Run, check_name
from tl_engine.runs.saved_classifier import ending
from tl_engine.sources.hub import PREFIX
from tl_engine.sources.intake import load_data
from tl_engine.sources.samples import SAMPLES
from tl_engine.vitals.farewell import TrainerFarewell, gone, when_asked
from tl_engine.vitals.forecast import learn_from
from tl_engine.vitals.limits import time_up
from tl_engine.vitals.pulse import Pulse

EXIT_CODES = {"finished": FINISHED, "failed": FAILED, "stopped": INTERRUPTED}
FOLDERS = ("runs", "data_dir", "weights_dir", "cache_dir")
RUN_FACTS = ("workspace", "title", "photos", "minutes", "created")  # in a run's config.json, no settings of a training
JOBS, FLAVOR, TIMEOUT = "hf-jobs", "t4-small", "2h"
NO_OPTIONS = ("function", "json", "config")


def train_command(arguments: argparse.Namespace) -> int:
    """Train as the arguments say; returns the exit code. Raises EngineError before anything is made."""
    options = _options(arguments)
    settings = Settings.make(**{folder: options.get(folder) for folder in FOLDERS})
    name, preset = options.pop("name", None), options.pop("preset", None)
    elsewhere = _elsewhere(options)
    config = TrainConfig.from_options({k: v for k, v in options.items() if k not in FOLDERS}, preset)
    if config.data not in SAMPLES and not config.data.startswith(PREFIX):  # so that it means the same from any folder
        config = dataclasses.replace(config, data=str(written_path(config.data)))
    name = name or f"{time.strftime('%Y%m%d-%H%M%S')}-{config.architecture.replace(':', '-')}-{secrets.token_hex(2)}"
    check_name(name)
    printer: Printer = JsonLines() if arguments.json else ReadableLog()
    with contextlib.closing(printer):  # a bar would stand before the refusal
        if elsewhere:
            return _trained_elsewhere(config, settings, name, printer, elsewhere)
        return _checked_and_trained(config, settings, name, printer, arguments.config)


def _elsewhere(options: dict[str, Any]) -> tuple[str, str] | None:
    """The flavor and the longest duration of a job, taken out of the options; None: it trains here."""
    on, flavor, timeout = (options.pop(name, None) for name in ("on", "flavor", "timeout"))
    if on is None:
        if flavor or timeout:
            raise ConfigError(f"--flavor and --timeout are of a job: say --on {JOBS} too, or leave them out.")
        return None
    if on != JOBS:
        raise ConfigError(f"on must be {JOBS}, got {str(on)[:40]!r}: leave it out to train here.")
    return str(flavor or FLAVOR), str(timeout or TIMEOUT)


def _trained_elsewhere(
    config: TrainConfig, settings: Settings, name: str, printer: Printer, elsewhere: tuple[str, str]
) -> int:
    """The same training as a job of Hugging Face's; the run is here, as any other. Raises EngineError before that."""
    from huggingface_hub import get_token

    from tl_engine.jobs.luggage import own_photos
    from tl_engine.jobs.machines import machines, train_there

    if (settings.runs / name).exists():
        raise ConfigError(f"A run named {name!r} is already there: choose another --name or --runs.")
    _known_architecture(config)
    there = machines(*elsewhere, get_token())
    photos = own_photos(config, settings, telling(f"getting {config.data}", Teller(printer)))
    run = _new_run(config, settings, name)
    when_asked(lambda _number: run.ask_to_stop())  # no end in time: a job that is not ended goes on costing
    tell, state, asked = Teller(printer, run), "failed", Pulse(run).beating(run.stop_asked)
    for event in train_there(there, config, photos, run, settings, asked):
        state = event.state if isinstance(event, RunEnded) else state
        tell(event)
    queue.advance(settings)
    return EXIT_CODES[state]


def _checked_and_trained(
    config: TrainConfig, settings: Settings, name: str, printer: Printer, config_file: str | None
) -> int:
    queued = _queued_run(config_file, settings, name)
    tell = Teller(printer, queued)
    farewell = TrainerFarewell(queued, settings, tells=_first_process()) if queued else None
    try:
        data = _checked_data(config, settings, tell)
        run = queued or _new_run(config, settings, name)
    except EngineError as error:
        if queued is None:
            raise
        return _failed(queued, str(error), tell)
    return _train(config, data, run, settings, Teller(printer, run), farewell)


def resume_command(arguments: argparse.Namespace) -> int:
    """Go on with a run that did not finish; returns the exit code. Raises EngineError before anything is changed."""
    here = Settings.make(runs=arguments.runs)
    run = named_run(arguments.run, here)
    printer: Printer = JsonLines() if arguments.json else ReadableLog()
    with contextlib.closing(printer):
        waited = run.goes_on()  # the queue started this process
        if _first_process():
            if waited:
                queue.take_up(run)
            elif refusal := queue.no_way_on(run):
                raise RunError(refusal)
        tell = Teller(printer, run if waited else None)
        farewell = TrainerFarewell(run, here, tells=_first_process()) if waited else None
        try:
            config, settings = started_with(run, vars(arguments))
            data = _checked_data(config, settings, tell)
        except EngineError as error:
            if not waited:
                raise
            return _failed(run, str(error), tell)
        if _first_process() and not waited:
            queue.take_up(run)
        return _train(config, data, run, settings, Teller(printer, run), farewell, resume=True)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the file, if one is named, with those of the command line over them."""
    flags = {k: v for k, v in vars(arguments).items() if v is not None and k not in NO_OPTIONS}
    if arguments.config is None:
        return flags
    options = written_options(arguments.config)
    known = {k.replace("-", "_"): v for k, v in options.items() if v is not None and k not in RUN_FACTS}
    return known | flags


def _queued_run(config_file: str | None, settings: Settings, name: str) -> Run | None:
    """The run that waits to be started with its own config.json, now claimed by this process."""
    run = Run(settings.runs / name)
    if config_file and run.folder.is_dir() and written_path(config_file).resolve() == (run.folder / CONFIG).resolve():
        if _first_process():
            queue.claim(run)
        return run
    if not _first_process():
        return None
    if run.folder.exists():
        raise ConfigError(f"A run named {name!r} is already there: choose another --name or --runs.")
    return None


def _checked_data(config: TrainConfig, settings: Settings, tell: Teller) -> ImageFolder:
    """The data. Whatever is wrong with data or weights is said now, before anything is made."""
    architecture = _known_architecture(config)
    if config.strategy != "from-scratch" and check_weights(architecture, settings).unproven:
        from tl_engine.networks.pretrained import check_pretrained

        check_pretrained(architecture, settings)
    return load_data(config.data, settings, telling(f"getting {config.data}", tell), config.reading)


def _known_architecture(config: TrainConfig) -> Architecture:
    """Its row, once timm knows it too where it is timm's. Raises ConfigError."""
    architecture = get_architecture(config.architecture)
    if architecture.library == "timm" and architecture.package is None:
        from tl_engine.backbones.weights import check_timm_name

        check_timm_name(architecture)
    return architecture


def _first_process() -> bool:
    """Whether this process makes the folder and tells the story; under torchrun the others only help."""
    return os.environ.get("RANK", "0") == "0"


def _new_run(config: TrainConfig, settings: Settings, name: str) -> Run:
    if not _first_process():
        return Run(settings.runs / name)
    return queue.create(config, settings, name, process=os.getpid())


def _failed(run: Run, reason: str, tell: Teller) -> int:
    """End a queued run that cannot begin, or cannot go on."""
    if _first_process():
        tell(ending(run, "failed", reason))
    return FAILED


def _train(
    config: TrainConfig, data: ImageFolder, run: Run, settings: Settings, tell: Teller,
    farewell: TrainerFarewell | None, *, resume: bool = False,
) -> int:  # fmt: skip
    tells, begun, state = _first_process(), time.monotonic(), "failed"
    farewell = farewell or TrainerFarewell(run, settings, tells=tells)
    Pulse(run).importing(get_architecture(config.architecture).library)
    from tl_engine.training.trainer import Training, train

    asked_at = float(os.environ.get(ASKED_AT) or psutil.Process().create_time())
    minutes = float(run.facts.options.get("minutes") or 0)
    training = Training(
        config=config, data=data, folder=run.folder, settings=settings, stop_asked=run.stop_asked,
        stop_reason=lambda: farewell.reason, resume=resume, started=asked_at,
        deadline=begun + minutes * 60 if minutes else None, time_up=time_up(minutes),
    )  # fmt: skip
    for event in train(training):
        if isinstance(event, RunEnded):
            state = event.state
            farewell.claim_last_word()
        if tells:
            tell(event)
    if tells:
        learn_from(run, settings)
        queue.advance(settings)
        # Told already, so that nobody waits for it; the next training may begin beside it.
        watched(report_afterwards(run, settings), lambda _event: None)
    if hung():
        gone(EXIT_CODES[state])
    return EXIT_CODES[state]


def spare_command(arguments: argparse.Namespace) -> int:
    """Import all that training needs, wait for a line with arguments on stdin, and run them as this process."""
    for name in ("timm", "tl_engine.training.trainer"):  # timm is where the default backbone comes from
        import_without_compiler(name)
    if not (line := sys.stdin.readline()):  # whoever would have used this process is gone
        return FINISHED
    job = json.loads(line)
    with Path(job["errors"]).open("ab") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    os.environ[ASKED_AT] = str(time.time())
    asked = arguments.parser.parse_args(job["arguments"])
    return int(asked.function(asked))
