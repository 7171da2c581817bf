"""All commands and their options, a row each; what the values mean is checked where they are used."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from tl_engine.base.settings import FOLDER_OPTIONS
from tl_engine.base.written import AUTO
from tl_engine.commands.inspect import inspect_command, take_command
from tl_engine.commands.lab import lab_command
from tl_engine.commands.lists import architectures_command, runs_command, stop_command
from tl_engine.commands.predict import measure_command, predict_command
from tl_engine.commands.printing import WRONG
from tl_engine.commands.publish import deploy_command, push_command
from tl_engine.commands.share import export_command
from tl_engine.commands.train import resume_command, spare_command, train_command
from tl_engine.commands.understand import compare_command, explain_command, report_command
from tl_engine.lab.trials import LABS
from tl_engine.runs.config import PRESETS, SETTINGS, explained

FOLDERS = ("runs", "data-dir", "weights-dir", "cache-dir")  # options of whatever trains or looks at a run again
Function = Callable[[argparse.Namespace], int]  # of a command: arguments to exit code


class Parser(argparse.ArgumentParser):
    """Errors are one sentence on stderr, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what is known.\n")


def make_parser() -> Parser:
    """All commands and their options; values are checked in one place, TrainConfig."""
    text = (
        "The engine from a terminal: `python -m tl_engine train | resume | predict | measure | report | explain | "
        "compare | export | push | deploy | inspect | architectures | runs | stop`."
    )
    parser = Parser(prog="python -m tl_engine", description=text, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Function, text: str, *options: str) -> Parser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(function=function)
        for option in options:
            added.add_argument(f"--{option}", metavar="DIR", help=FOLDER_OPTIONS[option])
        return added

    train = _train(command)
    predict = command("predict", predict_command, "Say what is on pictures.", "runs", "weights-dir")
    predict.add_argument("classifier", help="A run, a folder, imagenet, one that ships, or hub:USER/NAME.")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="A picture, a folder of pictures, or a pattern.")
    predict.add_argument("--raw", action="store_true", help="The probabilities as the network says them, too.")
    predict.add_argument("--top", metavar="K", help="Only the K likeliest classes.")
    measure = command("measure", measure_command, "Say how many photos of a data set classifiers have right.",
                      "runs", "weights-dir", "cache-dir")  # fmt: skip
    measure.add_argument("classifiers", nargs="+", metavar="CLASSIFIER", help="As `predict` takes it; several at once.")
    measure.add_argument("--data", required=True, metavar="X", help=SETTINGS["data"].text)
    measure.add_argument("--limits", default="{}", metavar="JSON", help="How much is accepted; the page tells.")
    measure.add_argument("--progress", action="store_true", help="Progress as json lines on stderr.")
    listing = command("architectures", architectures_command, "List the backbones.", "weights-dir")
    runs_list = command("runs", runs_command, "List the runs.", "runs")
    stop = command("stop", stop_command, "Stop a run; its best epoch so far stays.", "runs")
    stop.add_argument("run", help="Its name, or its folder.")
    resume = command("resume", resume_command, "Go on with a run that did not finish.", *FOLDERS)
    resume.add_argument("run", help="Its name, or its folder.")
    understanding = (*_understand(command), _export(command), *_publish(command))
    spare = command("spare", spare_command, "Wait, ready to train, for arguments on stdin; the page uses this.")
    spare.set_defaults(parser=parser)
    for added in (train, resume, predict, measure, listing, runs_list, *understanding, *_data_commands(command)):
        added.add_argument("--json", action="store_true", help="One json object a line on stdout, nothing else.")
    return parser


def _train(command: Callable[..., Parser]) -> Parser:
    train = command("train", train_command, "Train a classifier.", *FOLDERS)
    for name, setting in SETTINGS.items():
        train.add_argument(f"--{setting.option}", metavar="X", help=explained(name).replace("%", "%%"))
    train.add_argument("--preset", metavar="P", help=f"Settings of a text people know: {', '.join(PRESETS)}.")
    train.add_argument("--config", metavar="FILE", help="A json file with these options; flags win over it.")
    train.add_argument("--name", help="The run's name; its folder is RUNS/NAME.")
    train.add_argument("--on", metavar="WHERE", help="hf-jobs: on a machine of Hugging Face's, which costs.")
    train.add_argument("--flavor", metavar="F", help="Which machine there; by default t4-small.")
    train.add_argument("--timeout", metavar="T", help="The longest that it may take there; by default 2h.")
    return train


def _understand(command: Callable[..., Parser]) -> tuple[Parser, ...]:
    report = command("report", report_command, "Say how good a run is, how sure, and what would help.", *FOLDERS)
    report.add_argument("run", help="Its name, or its folder.")
    report.add_argument("--html", metavar="FILE", help="Write it as one page that needs nothing else.")
    report.add_argument("--limits", default="{}", metavar="JSON", help="How much is accepted; the page tells.")
    report.add_argument("--progress", action="store_true", help="Progress as json lines on stderr.")
    report.add_argument("--repeats", default="0", metavar="N", help="Draw folds anew so often and tell the spread.")
    report.add_argument("--again", action="store_true", help="Make it anew, as when the photos are back.")
    compare = command("compare", compare_command, "Say whether one run beats another on the same photos, and in which "
                      "settings they differ. Exit code 0: a verdict, 1: no photo judged both, 2: no such run.",
                      *FOLDERS)  # fmt: skip
    for name in ("first", "second"):
        compare.add_argument(name, metavar=name.upper(), help="A run, or its folder.")
    explain = command("explain", explain_command, "Show which part of a picture speaks for a class.", *FOLDERS)
    explain.add_argument("classifier", help="A run, a folder, imagenet, one that ships, or hub:USER/NAME.")
    explain.add_argument("image", metavar="IMAGE", help="The picture.")
    explain.add_argument("--out", required=True, metavar="FILE.png", help="Where the picture with its map goes.")
    explain.add_argument("--class", dest="class_name", metavar="C", help="The class; by default the likeliest.")
    explain.add_argument("--hide", action="store_true", help="Hide a part at a time: slower, no gradients.")
    lab = command("lab", lab_command, "Try backbones and strategies side by side; begun again, it goes on.", *FOLDERS)
    lab.add_argument("--data", required=True, metavar="X", help=SETTINGS["data"].text)
    lab.add_argument("--set", metavar="S", help=f"A lab that is ready: {', '.join(LABS)}.")
    lab.add_argument("--architectures", metavar="A,B", help="Backbones; by default the one that works offline.")
    lab.add_argument("--strategies", metavar="S,T", help="By default feature-extraction, fine-tuning, from-scratch.")
    lab.add_argument("--repeats", default="1", metavar="N", help="So many seeds of each; the spread is told.")
    lab.add_argument("--epochs", metavar="N", help="Of each, instead of what its strategy starts from.")
    return report, compare, explain, lab


def _export(command: Callable[..., Parser]) -> Parser:
    export = command("export", export_command, "Take a classifier away, checked against the app.",
                     "runs", "weights-dir", "cache-dir")  # fmt: skip
    export.add_argument("run", nargs="?", help="A run, a folder, or a classifier that ships.")
    export.add_argument("--out", metavar="FILE.zip", help="ONNX, PyTorch, a program that predicts; by default RUN.zip.")
    export.add_argument("--page", metavar="DIR", help="A folder that classifies in the browser, from any web server.")
    export.add_argument("--single", metavar="FILE.html", help="The same as one file that opens from a disk.")
    export.add_argument("--tflite", action="store_true", help="In the zip also for LiteRT; needs litert-torch (1 GB).")
    export.add_argument("--fetch-runtime", action="store_true", help="Get what a page needs, for a place offline.")
    export.add_argument("--limits", default="{}", metavar="JSON", help="How much is accepted; the page tells.")
    export.add_argument("--progress", action="store_true", help="Progress as json lines on stderr.")
    return export


def _publish(command: Callable[..., Parser]) -> tuple[Parser, Parser]:
    push = command("push", push_command, "Put a classifier on the Hugging Face hub, private unless you say so.",
                   "runs", "weights-dir", "cache-dir")  # fmt: skip
    push.add_argument("run", help="Its name, or its folder.")
    push.add_argument("repo", metavar="USER/NAME", help="The repository; the token is HF_TOKEN or of hf auth login.")
    push.add_argument("--public", action="store_true", help="Open to everybody; by default only to you.")
    push.add_argument("--update", action="store_true", help="Replace what a repository of that name holds.")
    deploy = command("deploy", deploy_command, "Make a Hugging Face Space of this program.",
                     "runs", "weights-dir", "cache-dir")  # fmt: skip
    deploy.add_argument("repo", metavar="USER/NAME", help="The Space; the token is HF_TOKEN or of hf auth login.")
    deploy.add_argument("--hardware", metavar="H", help="Such as zero-a10g or t4-small; by default cpu-basic.")
    deploy.add_argument("--private", action="store_true", help="Only for you; by default open to everybody.")
    deploy.add_argument("--model", metavar="RUN", help="A run whose classifier goes along; the Space opens with it.")
    deploy.add_argument("--storage", action="store_true", help="A volume at /data, so that runs outlive a restart.")
    deploy.add_argument("--sign-in", action="store_true", help="Visitors may sign in, and push to their own account.")
    deploy.add_argument("--update", action="store_true", help="Put this version into a Space that is there.")
    deploy.add_argument("--dry-run", action="store_true", help="Say what would be sent, and send nothing.")
    return push, deploy


def _data_commands(command: Callable[..., Parser]) -> tuple[Parser, Parser]:
    inspect = command("inspect", inspect_command, "Report on a data set before training on it.",
                      "data-dir", "weights-dir", "cache-dir")  # fmt: skip
    inspect.add_argument("--data", required=True, metavar="X", help=SETTINGS["data"].text)
    inspect.add_argument("--architecture", metavar="X", help="The backbone whose features judge the labels.")
    inspect.add_argument("--out", metavar="DIR", help="Write the data set without duplicates and damaged files there.")
    take = command("take", take_command, "Make a folder of a zip or of hf:OWNER/NAME; the page uses this.")
    take.add_argument("what", help="A zip, or hf:OWNER/NAME.")
    take.add_argument("--into", required=True, metavar="DIR", help="The folder below which it is made.")
    for added in (inspect, take):
        for option in ("layout", "zip-names"):
            added.add_argument(f"--{option}", default=AUTO, metavar="X", help=SETTINGS[option.replace("-", "_")].text)
        added.add_argument("--limits", default="{}", metavar="JSON", help="How much is accepted; the page tells.")
        added.add_argument("--progress", action="store_true", help="Progress as json lines on stderr.")
    return inspect, take
