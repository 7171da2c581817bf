"""`python -m tl_engine report`, `compare` and `explain`: how good a run is, whether one beats another, and why."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tl_engine.base.errors import ConfigError, RunError
from tl_engine.base.events import Event, to_json
from tl_engine.base.names import printable
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.base.words import percent
from tl_engine.base.written import written_path
from tl_engine.commands.printing import FAILED, FINISHED, Beside
from tl_engine.evaluation.compare import compare
from tl_engine.evaluation.html import whole_page
from tl_engine.evaluation.report import make_report, read_report
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.hub.classifiers import classifier_folder
from tl_engine.ledger.differences import Difference, differences
from tl_engine.runs.find import named_run
from tl_engine.runs.run import Run
from tl_engine.runs.titles import title_of

MOST_REPEATS = 100


def report_command(arguments: argparse.Namespace) -> int:
    """The report of a run, made if it is not there yet. Raises RunError where the run left nothing to report."""
    settings = settings_of(arguments)
    run = named_run(arguments.run, settings)
    repeats = whole_number("repeats", arguments.repeats, 0, MOST_REPEATS)
    report = None if arguments.again or repeats else read_report(run)
    if report is None:
        report = watched(make_report(run, settings, repeats), _tell if arguments.progress else lambda _event: None)
    if arguments.html:
        _write(written_path(arguments.html), whole_page(run, report, RunPhotos.of(run)))
    if arguments.json or not arguments.html:
        print(json.dumps(report))
    else:
        print(printable(f"the report is in {arguments.html}"))
    return FINISHED


def compare_command(arguments: argparse.Namespace) -> int:
    """Whether one run beats another, on the photos that judged both, and in which settings they differ.

    Code 0: there is a verdict, also that there is no evidence; 1: no photo judged both, and the reason is told.
    Raises RunError where one of them is not there.
    """
    settings = settings_of(arguments)
    runs = named_run(arguments.first, settings), named_run(arguments.second, settings)
    facts: dict[str, Any] = {
        "first": _named(runs[0]),
        "second": _named(runs[1]),
        "settings": [_differing(row) for row in differences(runs)],
    }
    try:
        facts |= compare(*runs, (RunPhotos.of(runs[0]), RunPhotos.of(runs[1])))
    except RunError as error:
        facts |= {"verdict": None, "sentence": str(error)}
    lines = [json.dumps(facts)] if arguments.json else map(printable, _compared_lines(facts))
    print("\n".join(lines))
    return FINISHED if facts["verdict"] else FAILED


def _named(run: Run) -> dict[str, str]:
    return {"name": run.name, "title": title_of(run), "state": run.state()}


def _differing(row: Difference) -> dict[str, Any]:
    """A setting; None where a run had no use for it, or its folder does not say."""
    one, two = row.values
    return {
        "setting": row.setting,
        "first": one.value if one.used else None,
        "second": two.value if two.used else None,
        "default": [one.default and one.used, two.default and two.used],
        "words": [one.words, two.words],
    }


def _compared_lines(facts: dict[str, Any]) -> Iterator[str]:
    yield facts["sentence"]
    if facts["verdict"]:
        photos = facts["photos"]
        yield f"the first:  {facts['right_a']} of {photos} right ({_range(facts['interval_a'])})"
        yield f"the second: {facts['right_b']} of {photos} right ({_range(facts['interval_b'])})"
        yield f"both right {facts['both']}, neither {facts['neither']}, p-value {facts['p_value']:.3g}"
    yield "settings that differ:" if facts["settings"] else "no setting differs"
    for row in facts["settings"]:
        yield f"  {row['setting'].replace('_', '-')}: {row['words'][0]} | {row['words'][1]}"


def _range(interval: list[float]) -> str:
    return f"{percent(interval[0])} to {percent(interval[1])}"


def explain_command(arguments: argparse.Namespace) -> int:
    """Which part of a picture speaks for a class, as a picture. Raises EngineError."""
    settings = settings_of(arguments)
    folder = classifier_folder(arguments.classifier, settings, Beside().show)
    out = written_path(arguments.out)
    if out.suffix.lower() != ".png" or not out.parent.is_dir():
        raise ConfigError(f"The picture is written as a PNG: name --out FILE.png in a folder, not {arguments.out!r}.")
    from tl_engine.classifiers.predictor import load_classifier  # torch takes seconds: a wrong name must not wait
    from tl_engine.explain.explained import explain

    predictor = load_classifier(folder, settings)
    found = explain(predictor, predictor.open(written_path(arguments.image)), arguments.class_name,
                    by_hiding=arguments.hide)  # fmt: skip
    found.picture.save(out)
    facts: dict[str, Any] = {"file": arguments.out, "class": found.class_name, "peak": found.peak}
    print(json.dumps({**facts, "sentence": found.sentence}) if arguments.json else printable(found.sentence))
    return FINISHED


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """A number that a person wrote. Raises ConfigError."""
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ConfigError(f"{name} must be a whole number between {low} and {high}, got {text[:60]!r}.")
    return int(text)


def _tell(event: Event) -> None:
    print(to_json(event), file=sys.stderr, flush=True)


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The folders that a command was told."""
    given = vars(arguments)
    return Settings.make(**{name: given.get(name) for name in ("runs", "data_dir", "weights_dir", "cache_dir")})


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be written ({error.strerror}): name another file.") from None
