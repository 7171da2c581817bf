"""The engine from a terminal: `python -m tl_engine train | predict | inspect | architectures | runs | stop`."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tl_engine import runs
from tl_engine.architectures import ARCHITECTURES
from tl_engine.classifiers import classifier_folder, load_classifier
from tl_engine.config import PRESETS, SETTINGS, explained
from tl_engine.errors import ConfigError, EngineError, ImageError
from tl_engine.inspect_command import inspect_command, take_command
from tl_engine.reading import AUTO
from tl_engine.run_folder import CONFIG, Run
from tl_engine.settings import Settings
from tl_engine.train_command import train_command
from tl_engine.weights import find_weights

FINISHED, FAILED, WRONG = 0, 1, 2
Function = Callable[[argparse.Namespace], int]  # of a command: arguments to exit code


class Parser(argparse.ArgumentParser):
    """Errors are one sentence on stderr, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what is known.\n")


def make_parser() -> Parser:
    """All commands and their options; values are checked in one place, TrainConfig."""
    parser = Parser(prog="python -m tl_engine", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Function, text: str, *options: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(function=function)
        for option in options:
            added.add_argument(f"--{option}", metavar="DIR")
        return added

    train = command("train", train_command, "Train a classifier.", "runs", "data-dir", "weights-dir", "cache-dir")
    for name, setting in SETTINGS.items():
        train.add_argument(f"--{setting.option}", metavar="X", help=explained(name).replace("%", "%%"))
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
    command("spare", spare_command, "Wait, ready to train, for arguments on stdin; the page uses this.")
    for added in (train, predict, listing, runs_list, *_data_commands(command)):
        added.add_argument("--json", action="store_true", help="One json object a line on stdout, nothing else.")
    return parser


def _data_commands(command: Callable[..., Parser]) -> tuple[Parser, Parser]:
    inspect = command("inspect", inspect_command, "Report on a data set before training on it.",
                      "data-dir", "weights-dir", "cache-dir")  # fmt: skip
    inspect.add_argument("--data", required=True, metavar="X", help=HELP["data"])
    inspect.add_argument("--architecture", metavar="X", help="The backbone whose features judge the labels.")
    inspect.add_argument("--out", metavar="DIR", help="Write the data set without duplicates and damaged files there.")
    take = command("take", take_command, "Make a folder of a zip or of hf:OWNER/NAME; the page uses this.")
    take.add_argument("what")
    take.add_argument("--into", required=True, metavar="DIR")
    for added in (inspect, take):
        for option in ("layout", "zip-names"):
            added.add_argument(f"--{option}", default=AUTO, metavar="X", help=HELP[option.replace("-", "_")])
        added.add_argument("--limits", default="{}", metavar="JSON", help="How much is accepted; the page tells.")
        added.add_argument("--progress", action="store_true", help="Progress as json lines on stderr.")
    return inspect, take


def spare_command(_arguments: argparse.Namespace) -> int:
    """Import all that training needs, wait for a line with arguments on stdin, and run them as this process."""
    import tl_engine.trainer  # noqa: F401

    line = sys.stdin.readline()
    if not line:  # whoever would have used this process is gone
        return FINISHED
    job = json.loads(line)
    with Path(job["errors"]).open("ab") as errors:
        os.dup2(errors.fileno(), sys.stderr.fileno())
    os.environ[runs.ASKED_AT] = str(time.time())
    return main(job["arguments"])


HELP = {
    "layout": "Whether the folders are classes or splits that hold classes; auto asks where it cannot tell.",
    "zip_names": "The encoding of the names in a zip that does not say it, such as gbk or cp866; auto asks.",
    "data": "A sample such as digits, a folder of class folders, a zip of one, or hf:OWNER/NAME.",
    "architecture": "A backbone; `architectures` lists them, timm:NAME takes any of timm's.",
    "fit": "How a photo becomes a square: its centre, all of it padded, or all of it stretched.",
    "views": "Augmented copies of each photo for a frozen backbone.",
    "early_stopping": "Epochs without a better one before stopping; 0 never.",
    "val_fraction": "Share of each class held out when there is no validation folder.",
}


def _settings(options: dict[str, Any]) -> Settings:
    return Settings.make(runs=options.get("runs"), weights_dir=options.get("weights_dir"))


def predict_command(arguments: argparse.Namespace) -> int:
    """One line a picture; a bad one is named and the others go on."""
    top = _top(arguments.top)
    settings = _settings(vars(arguments))
    predictor = load_classifier(classifier_folder(arguments.classifier, settings), settings)
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
        facts_, ended = run.facts, run.ended()
        facts = {
            "name": run.name,
            "state": run.state(),
            "data": facts_.data,
            "architecture": facts_.architecture,
            "strategy": facts_.strategy,
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
