"""`python -m tl_engine predict` and `measure`: what is on pictures, and how many of a data set are said right."""

import argparse
import functools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tl_engine.base.errors import ConfigError, EngineError, ImageError, without_paths
from tl_engine.base.events import Progress, to_json
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.commands.printing import FAILED, FINISHED, Beside
from tl_engine.data.scan import scan
from tl_engine.evaluation.figures import interval
from tl_engine.hub.classifiers import classifier_folder
from tl_engine.sources.intake import locate
from tl_engine.sources.named_pictures import named_pictures

if TYPE_CHECKING:
    from tl_engine.classifiers.answers import Answer

SHOWN = 5  # classes a person sees of each picture


def predict_command(arguments: argparse.Namespace) -> int:
    """One line a picture; a bad one is named and the others go on. Raises EngineError before the first."""
    top = _top(arguments.top)
    settings = Settings.make(runs=arguments.runs, weights_dir=arguments.weights_dir)
    folder = classifier_folder(arguments.classifier, settings, Beside().show)
    from tl_engine.classifiers.predictor import load_classifier  # torch takes seconds: a wrong name must not wait

    predictor = load_classifier(folder, settings)
    show = functools.partial(_show_json, raw=arguments.raw) if arguments.json else _show
    failed = False
    for name, found in _asked(arguments.images):
        try:
            if isinstance(found, ImageError):
                raise found
            show(name, predictor.answer(predictor.open(found)), top)
        except ImageError as error:
            failed = True
            print(
                json.dumps({"file": name, "error": str(error)}, ensure_ascii=False)
                if arguments.json
                else printable(str(error))
            )
    return FAILED if failed else FINISHED


def measure_command(arguments: argparse.Namespace) -> int:
    """How many photos of a data set each classifier has right, class names compared without capitals.

    One that cannot be loaded is named and the others go on. Raises EngineError before the first.
    """
    settings = Settings.make(runs=arguments.runs, weights_dir=arguments.weights_dir, cache_dir=arguments.cache_dir)
    data = scan(locate(arguments.data, settings).root, settings.limits)
    from tl_engine.classifiers.predictor import load_classifier

    opened: dict[str, list[Image.Image]] = {}  # classifiers of one preprocessing share the decoded photos
    told: dict[str, dict[str, str]] = {}
    for number, name in enumerate(arguments.classifiers, start=1):
        try:
            predictor = load_classifier(classifier_folder(name, settings, Beside().show), settings)
            alike = repr(predictor.preprocess)
            opened[alike] = opened.get(alike) or [predictor.open(record.path) for record in data.records]
            said = [predictor.classes[row.argmax()] for row in predictor(opened[alike])]
            told[name] = {"right": _right(said, [data.classes[record.label] for record in data.records])}
        except EngineError as error:
            told[name] = {"error": without_paths(str(error))}
        if arguments.progress:
            done = Progress(stage="measuring", done=number, total=len(arguments.classifiers))
            print(to_json(done), file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({"photos": len(data.records), "classifiers": told}))
    else:
        _show_measured(told)
    return FAILED if any("error" in row for row in told.values()) and not arguments.json else FINISHED


def _right(said: Sequence[str], true: Sequence[str]) -> str:
    """A 1 for each photo whose class was said, a 0 for each other one."""
    return "".join("1" if a.casefold() == b.casefold() else "0" for a, b in zip(said, true, strict=True))


def _show_measured(told: dict[str, dict[str, str]]) -> None:
    for name, row in told.items():
        right = row.get("right", "")
        low, high = interval(right.count("1"), len(right)) if right else (0.0, 1.0)
        words = f"{right.count('1')} of {len(right)} right ({low:.0%} to {high:.0%})" if right else row["error"]
        print(printable(f"{name}: {words}"), flush=True)


def _asked(names: Sequence[str]) -> Iterator[tuple[str, Path | ImageError]]:
    """(what to call it, the picture or why there is none) for all that the names stand for."""
    for name in names:
        try:
            found = named_pictures(name)
        except ImageError as error:
            yield name, error
            continue
        if found.others:
            first = f"{name}: left out, since they are no pictures: {found.others[0].name}"
            more = f" and {len(found.others) - 1:,} more" if len(found.others) > 1 else ""
            print(printable(first + more), file=sys.stderr)
        for path in found.pictures:
            yield name if path.name == Path(name).name else _from_here(path), path


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _show_json(name: str, answer: "Answer", top: int | None, *, raw: bool) -> None:
    said = {
        "file": name,
        "probabilities": dict(list(answer.probabilities.items())[:top]),
        "verdict": answer.verdict,
        "nearest": [photo.file for photo in answer.nearest if photo.file],
    } | ({"raw": answer.raw} if raw else {})
    print(json.dumps(said, ensure_ascii=False), flush=True)


def _show(name: str, answer: "Answer", top: int | None) -> None:
    likeliest = list(answer.probabilities.items())[: top or SHOWN]
    doubt = {"ok": "", "not sure": " (not sure)", "unlike": " (unlike anything it was shown)"}[answer.verdict]
    print(printable(f"{name}: " + ", ".join(f"{c} {p:.1%}" for c, p in likeliest) + doubt), flush=True)


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"top must be a whole number of at least 1, got {text[:60]!r}.")
    return int(text)
