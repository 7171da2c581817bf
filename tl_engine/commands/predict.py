"""`python -m tl_engine predict`: a line for each picture, whatever way the pictures are named."""

import argparse
import functools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tl_engine.base.errors import ConfigError, ImageError
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.commands.printing import FAILED, FINISHED, Beside
from tl_engine.hub.classifiers import classifier_folder
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
