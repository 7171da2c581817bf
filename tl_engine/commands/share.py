"""`python -m tl_engine export`: a classifier as files that agree with the app, or as a page that needs no server."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tl_engine.base.errors import ConfigError, RunError
from tl_engine.base.events import Event, to_json
from tl_engine.base.names import printable, slug
from tl_engine.base.progress import watched
from tl_engine.base.settings import Settings
from tl_engine.base.words import size_words
from tl_engine.base.written import written_path
from tl_engine.commands.printing import FAILED, FINISHED, INTERRUPTED, ReadableLog
from tl_engine.commands.understand import settings_of
from tl_engine.hub.classifiers import classifier_folder
from tl_engine.sharing.export import Destinations, export


def export_command(arguments: argparse.Namespace) -> int:
    """Export a classifier, checked against the app: exit code 1 where they disagree. Raises EngineError."""
    settings = settings_of(arguments)
    if arguments.fetch_runtime:
        return _fetch_runtime(settings)
    if not arguments.run:
        raise ConfigError("run is missing: name the training to export, or ask for --fetch-runtime alone.")
    show, close = _shown(arguments)
    folder = classifier_folder(arguments.run, settings, show)
    if folder is None:
        raise RunError("imagenet is a backbone as it comes: train a classifier on it, and export that.")
    to = _destinations(arguments)
    from tl_engine.sharing.verify import DisagreementError

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))  # so that temporary folders go
    try:
        made = watched(export(folder, settings, to), show)
    except DisagreementError as error:
        print(printable(str(error)), file=sys.stderr)
        return FAILED
    finally:
        close()
    print(json.dumps(made) if arguments.json else printable(_sentence(made)))
    return FINISHED


def _fetch_runtime(settings: Settings) -> int:
    """Get what a page needs beforehand, for a place without a network."""
    from tl_engine.sharing.web_runtime import find_web_runtime

    runtime = find_web_runtime(settings)
    print(printable(f"onnxruntime-web is in {runtime.wasm.parent}"))
    return FINISHED


def _destinations(arguments: argparse.Namespace) -> Destinations:
    """Where it goes, checked before anything is made; a zip called after the run where nothing is said."""
    named = (arguments.out, arguments.page, arguments.single)
    out, page, single = (written_path(text) if text else None for text in named)
    if not (out or page or single):
        out = Path.cwd() / f"{slug(Path(arguments.run).name, otherwise='classifier')}.zip"
    for option, path, suffix in (("out", out, ".zip"), ("single", single, ".html")):
        if path and (path.suffix.lower() != suffix or path.is_dir()):
            raise ConfigError(f"{option} must name a file that ends with {suffix}, got {path.name!r}.")
    for path in (out, page, single):
        folder = path.absolute().parent if path else None
        if path and folder and not folder.is_dir():
            raise ConfigError(f"There is no folder {folder.name!r} to write {path.name} into: make it first.")
    return Destinations(zip=out, page=page, single=single, lite=arguments.tflite)


def _shown(arguments: argparse.Namespace) -> tuple[Callable[[Event], object], Callable[[], None]]:
    """How progress is shown, and what ends that."""
    if arguments.progress:
        return (lambda event: print(to_json(event), file=sys.stderr, flush=True)), lambda: None
    if arguments.json:
        return (lambda _event: None), lambda: None
    bar = ReadableLog()
    return bar.show, bar.close


def _sentence(made: dict[str, Any]) -> str:
    """What was written and how far it agrees."""
    verified = made["verified"]
    where = [made["out"]] if "out" in made else []
    where += [f"a page of {len(made['page'])} files"] if "page" in made else []
    where += [f"{made['single']['name']} ({size_words(made['single']['bytes'])})"] if "single" in made else []
    return (
        f"Written: {', '.join(where)}. Checked on {verified['on']}: {verified['same_class']} of {verified['photos']} "
        f"the same class as the app, largest difference {verified['largest_difference']:.0e}."
    )
