"""The engine from a terminal: `python -m tl_engine train | predict | architectures | runs | stop`."""

import argparse
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tl_engine import runs
from tl_engine.architectures import ARCHITECTURES, get_architecture
from tl_engine.classifiers import load_classifier
from tl_engine.config import CHOICES, FIELDS, PRESETS, TrainConfig
from tl_engine.dataset import ImageFolder, check_trainable, split_validation
from tl_engine.errors import ConfigError, EngineError, ImageError
from tl_engine.events import RunEnded
from tl_engine.intake import load_data
from tl_engine.progress import reporting
from tl_engine.run_folder import CONFIG, Run
from tl_engine.settings import Settings
from tl_engine.terminal import JsonLines, Printer, ReadableLog
from tl_engine.weights import check_weights, find_weights

FINISHED, FAILED, WRONG, STOPPED = 0, 1, 2, 130
EXIT_CODES = {"finished": FINISHED, "failed": FAILED, "stopped": STOPPED}
FOLDERS = ("runs", "data_dir", "weights_dir")
RUN_FACTS = ("workspace", "created")  # in a run's config.json, no settings of a training


class Parser(argparse.ArgumentParser):
    """Errors are one sentence on stderr, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what is known.\n")


def make_parser() -> Parser:
    """All commands and their options; values are checked in one place, TrainConfig."""
    parser = Parser(prog="python -m tl_engine", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str, *options: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(function=function)
        for option in options:
            added.add_argument(f"--{option}", metavar="DIR")
        return added

    train = command("train", train_command, "Train a classifier.", "runs", "data-dir", "weights-dir")
    for field in FIELDS:
        allowed = f" One of {', '.join(CHOICES[field])}." if field in CHOICES else ""
        train.add_argument(f"--{field.replace('_', '-')}", metavar="X", help=f"{HELP.get(field, '')}{allowed}")
    train.add_argument("--preset", metavar="P", help=f"Settings of a text people know: {', '.join(PRESETS)}.")
    train.add_argument("--config", metavar="FILE", help="A json file with these options; flags win over it.")
    train.add_argument("--name", help="The run's name; its folder is RUNS/NAME.")
    predict = command("predict", predict_command, "Say what is on pictures.", "runs", "weights-dir")
    predict.add_argument("classifier", help="A run, a folder, imagenet, or a classifier that ships.")
    predict.add_argument("images", nargs="+", metavar="IMAGE")
    predict.add_argument("--top", metavar="K", help="Only the K likeliest classes.")
    listing = command("architectures", architectures_command, "List the backbones.", "weights-dir")
    runs_list = command("runs", runs_command, "List the runs.", "runs")
    command("stop", stop_command, "Stop a run; its best epoch so far stays.", "runs").add_argument("run")
    for added in (train, predict, listing, runs_list):
        added.add_argument("--json", action="store_true", help="One json object a line on stdout, nothing else.")
    return parser


HELP = {
    "data": "A sample (digits, hymenoptera), a folder of class folders, or a zip of one.",
    "architecture": "A backbone; `architectures` lists them, timm:NAME takes any of timm's.",
    "views": "Augmented copies of each photo for a frozen backbone.",
    "early_stopping": "Epochs without a better one before stopping; 0 never.",
    "val_fraction": "Share of each class held out when there is no validation folder.",
}


def _settings(options: dict[str, Any]) -> Settings:
    return Settings.make(**{name: options.get(name) for name in FOLDERS})


def train_command(arguments: argparse.Namespace) -> int:
    """Check everything, then make the run folder, then train."""
    options = _options(arguments)
    settings = _settings(options)
    name, preset = options.pop("name", None), options.pop("preset", None)
    config = TrainConfig.from_options({k: v for k, v in options.items() if k not in FOLDERS}, preset)
    name = name or f"{time.strftime('%Y%m%d-%H%M%S')}-{config.architecture.replace(':', '-')}-{secrets.token_hex(2)}"
    runs.check_name(name)
    printer: Printer = JsonLines() if arguments.json else ReadableLog()
    queued = _queued_run(arguments.config, settings, name)
    try:
        data = _checked_data(config, settings, printer, queued)
        run = queued or _new_run(config, settings, name)
    except EngineError as error:
        if queued is None:
            raise
        return _failed(queued, str(error), printer)
    signal.signal(signal.SIGTERM, lambda *_: run.ask_to_stop())
    signal.signal(signal.SIGINT, lambda *_: run.ask_to_stop())
    return _train(config, data, run, settings, printer)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of the file, if one is named, with those of the command line over them."""
    flags = {k: v for k, v in vars(arguments).items() if v is not None and k not in ("function", "json", "config")}
    if not arguments.config:
        return flags
    try:
        options = json.loads(Path(arguments.config).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"The config file {arguments.config!r} is not readable json: {error}.") from None
    if not isinstance(options, dict):
        raise ConfigError(f"The config file {arguments.config!r} must hold one json object with option names.")
    known = {k.replace("-", "_"): v for k, v in options.items() if v is not None and k not in RUN_FACTS}
    return known | flags


def _queued_run(config_file: str | None, settings: Settings, name: str) -> Run | None:
    """The run that waits to be started with its own config.json, now claimed by this process."""
    run = Run(settings.runs / name)
    if config_file and run.folder.is_dir() and Path(config_file).resolve() == (run.folder / CONFIG).resolve():
        runs.claim(run)
        return run
    if run.folder.exists():
        raise ConfigError(f"A run named {name!r} is already there: choose another --name or --runs.")
    return None


def _checked_data(config: TrainConfig, settings: Settings, printer: Printer, queued: Run | None) -> ImageFolder:
    """The data, split. Whatever is wrong with data or weights is said now, before anything is made."""
    architecture = get_architecture(config.architecture)
    if architecture.library == "timm" and architecture.package is None:
        from tl_engine.models import check_timm_name

        check_timm_name(architecture)
    if config.strategy != "from-scratch":
        check_weights(architecture, settings)
    loading = reporting(f"getting {config.data}", lambda told: load_data(config.data, settings, told))
    while True:
        try:
            event = next(loading)
        except StopIteration as done:
            data = split_validation(done.value, config.val_fraction, config.seed)
            check_trainable(data)
            return data
        printer.show(event)
        if queued:
            queued.log(event)


def _new_run(config: TrainConfig, settings: Settings, name: str) -> Run:
    if os.environ.get("RANK", "0") != "0":  # under torchrun the first process makes the folder and tells the story
        return Run(settings.runs / name)
    return runs.create(config, settings, name, process=os.getpid())


def _failed(run: Run, reason: str, printer: Printer) -> int:
    """End a queued run that cannot begin."""
    seconds = time.time() - run.created()
    ended = RunEnded(
        state="failed",
        reason=reason,
        run_folder=str(run.folder),
        best_val_accuracy=None,
        best_epoch=None,
        seconds=seconds,
    )
    run.log(ended)
    printer.show(ended)
    return FAILED


def _train(config: TrainConfig, data: ImageFolder, run: Run, settings: Settings, printer: Printer) -> int:
    from tl_engine.trainer import Training, train

    training = Training(config=config, data=data, folder=run.folder, settings=settings, stop_asked=run.stop_asked)
    state = "failed"
    tells = os.environ.get("RANK", "0") == "0"
    for event in train(training):
        if isinstance(event, RunEnded):
            state = event.state
        if tells:
            run.log(event)
            printer.show(event)
    if tells:
        runs.advance(settings)
    return EXIT_CODES[state]


def predict_command(arguments: argparse.Namespace) -> int:
    """One line a picture; a bad one is named and the others go on."""
    top = _top(arguments.top)
    predictor = load_classifier(arguments.classifier, _settings(vars(arguments)))
    failed = False
    for name in arguments.images:
        path = Path(name)
        try:
            probabilities = predictor.probabilities(predictor.open(path))
        except ImageError as error:
            failed = True
            print(json.dumps({"file": name, "error": str(error)}, ensure_ascii=False) if arguments.json else error)
            continue
        shown = dict(list(probabilities.items())[:top])
        if arguments.json:
            print(json.dumps({"file": name, "probabilities": shown}, ensure_ascii=False), flush=True)
        else:
            print(f"{name}: " + ", ".join(f"{c} {p:.1%}" for c, p in list(shown.items())[: top or 5]), flush=True)
    return FAILED if failed else FINISHED


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"top must be a whole number of at least 1, got {text[:60]!r}.")
    return int(text)


def architectures_command(arguments: argparse.Namespace) -> int:
    """Every backbone with what it needs here."""
    settings = _settings(vars(arguments))
    for row in ARCHITECTURES.values():
        source = find_weights(row, settings)
        facts = {
            "name": row.name,
            "label": row.label,
            "available": source.available,
            "source": source.label,
            "image_size": row.image_size,
            "parameters": row.parameters,
        }
        if arguments.json:
            print(json.dumps(facts))
        else:
            mark = "works now" if source.available else "needs"
            print(f"{row.name:20} {row.label:36} {row.image_size:4} px {(row.parameters or 0) / 1e6:6.1f} M  ", end="")
            print(f"{mark}: {source.label}")
    return FINISHED


def runs_command(arguments: argparse.Namespace) -> int:
    """Every run, the newest first."""
    for run in runs.list_runs(_settings(vars(arguments))):
        options, ended = run.options(), run.ended()
        facts = {
            "name": run.name,
            "state": run.state(),
            "data": options.get("data"),
            "architecture": options.get("architecture"),
            "strategy": options.get("strategy"),
            "best_val_accuracy": ended.best_val_accuracy if ended else None,
            "reason": ended.reason if ended else None,
            "run_folder": str(run.folder),
        }
        if arguments.json:
            print(json.dumps(facts, ensure_ascii=False))
        else:
            best = "" if facts["best_val_accuracy"] is None else f"  accuracy {facts['best_val_accuracy']:.3f}"
            print(f"{run.name}  {facts['state']}  {facts['architecture']} on {facts['data']}{best}")
    return FINISHED


def stop_command(arguments: argparse.Namespace) -> int:
    """Stop a run by name or folder."""
    settings = _settings(vars(arguments))
    folder = Path(arguments.run)
    if (folder / CONFIG).is_file():
        settings = Settings.make(runs=str(folder.resolve().parent))
        run = Run(folder.resolve())
    else:
        run = runs.find_run(arguments.run, settings)
    runs.stop(run, settings)
    print(f"{run.name} is {run.state()}")
    return FINISHED


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what a person can mend is one sentence on stderr and code 2."""
    arguments = make_parser().parse_args(argv)
    try:
        code: int = arguments.function(arguments)
        return code
    except EngineError as error:
        print(error, file=sys.stderr)
        return WRONG


if __name__ == "__main__":
    sys.exit(main())
