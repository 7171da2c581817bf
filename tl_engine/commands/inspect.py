"""`python -m tl_engine inspect` and `take`: the data report, and a zip made into a folder. The page calls them too,
so that a large data set never holds up its own process.
"""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tl_engine.backbones.architectures import DEFAULT_ARCHITECTURE
from tl_engine.base.errors import ConfigError, Question
from tl_engine.base.events import Event, to_json
from tl_engine.base.names import printable
from tl_engine.base.progress import telling, watched
from tl_engine.base.settings import Limits, Settings
from tl_engine.base.written import written_path
from tl_engine.commands.printing import ReadableLog
from tl_engine.data.mends import DROP, Located, Mend
from tl_engine.data.reading import Reading
from tl_engine.data.scan import scan
from tl_engine.inspection.findings import Report
from tl_engine.inspection.remedies import keep_one_of_each, write_folder
from tl_engine.inspection.report import make_report
from tl_engine.sources.hub import PREFIX, hub_folder
from tl_engine.sources.intake import locate, unpacked
from tl_engine.sources.room import room_left

Tell = Callable[[Event], object]
SHOWN = 10  # findings of a kind printed for a person


def inspect_command(arguments: argparse.Namespace) -> int:
    """Report on a data set; with --out write it corrected. Raises EngineError."""
    settings = _settings(arguments)
    architecture = arguments.architecture or DEFAULT_ARCHITECTURE
    with _telling(arguments) as tell:
        located = locate(arguments.data, settings, telling("getting the data", tell), _reading(arguments))
        report = watched(make_report(located, settings, architecture), tell)
        if arguments.out:
            _write(written_path(arguments.out), located, report, settings, tell)
    if arguments.json:
        print(json.dumps(report.to_dict()))
    else:
        _print(report)
    return 0


def take_command(arguments: argparse.Namespace) -> int:
    """Make a folder below --into of a zip or of a data set on the hub; print its name, as json. Raises DataError."""
    settings, what, parent = _settings(arguments), arguments.what, written_path(arguments.into)
    most = min(settings.limits.unpacked_bytes, room_left(parent, settings.limits))
    settings = dataclasses.replace(settings, limits=dataclasses.replace(settings.limits, unpacked_bytes=most))

    with _telling(arguments) as tell:
        if what.startswith(PREFIX):
            folder = hub_folder(what, settings, telling("downloading", tell), parent=parent)
        else:
            told = telling("unpacking", tell)
            folder = unpacked(written_path(what), parent, settings.limits, told, _reading(arguments))
    print(json.dumps({"folder": folder.name}))
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    given = vars(arguments)
    folders = {name: given.get(name) for name in ("data_dir", "weights_dir", "cache_dir")}
    try:
        limits = Limits(**json.loads(arguments.limits))
        if not all(type(number) is int and number >= 0 for number in dataclasses.astuple(limits)):
            raise ValueError
    except (ValueError, TypeError):
        known = ", ".join(field.name for field in dataclasses.fields(Limits))
        shown = arguments.limits[:60]
        raise ConfigError(f"limits must be json with whole numbers for some of {known}, got {shown!r}.") from None
    return dataclasses.replace(Settings.make(**folders), limits=limits)


def _reading(arguments: argparse.Namespace) -> Reading:
    return Reading(layout=arguments.layout, zip_names=arguments.zip_names)


@contextlib.contextmanager
def _telling(arguments: argparse.Namespace) -> Iterator[Tell]:
    """Who hears of progress and questions: a program as json on stderr, a person as a bar that is gone afterwards."""
    if arguments.progress:
        try:
            yield lambda event: print(to_json(event), file=sys.stderr, flush=True)
        except Question as question:  # to be put to a person
            print(question.to_json(), file=sys.stderr, flush=True)
            raise
    elif arguments.json:
        yield lambda _event: None
    else:
        with contextlib.closing(ReadableLog()) as log:
            yield log.show


def _write(folder: Path, located: Located, report: Report, settings: Settings, tell: Tell) -> None:
    """The data set as corrected by hand, with one of each photo and without what cannot be read."""
    data = scan(located.root, settings.limits, located.layout)
    left_out = [Mend(file=finding["file"], action=DROP) for finding in report.left_out]
    mended = located.adding([*keep_one_of_each(report, located), *left_out]).applied(data)
    watched(write_folder(mended, located.root, folder), tell)


def _print(report: Report) -> None:
    for name, splits in report.classes.items():
        print(f"{name}: {', '.join(f'{number:,} {split}' for split, number in splits.items())}")
    for sentence in report.advice:
        print(f"- {sentence}")
    for title, found in (("left out", report.left_out), ("tiny", report.tiny), ("odd", report.odd)):
        _list(title, [f"{finding['file']}: {finding['reason']}" for finding in found])
    _list("the same photo", [f"{' = '.join(d.files)} ({d.kind})" for d in report.duplicates])
    suspects = [
        f"{s['file']}: {s['label']}, looks like {s['suggested']} ({s['score']:.2f})" for s in report.suspicious_labels
    ]
    _list("doubtful labels", suspects)


def _list(title: str, lines: list[str]) -> None:
    if lines:
        more = f"\n  and {len(lines) - SHOWN:,} more" if len(lines) > SHOWN else ""
        print(f"{title}:\n  " + "\n  ".join(map(printable, lines[:SHOWN])) + more)
