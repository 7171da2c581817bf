"""`python -m tl_engine lab`: backbones and strategies side by side, in the queue; begun again, it goes on."""

import argparse
import json
import sys
from typing import Any

from tl_engine.base.names import printable
from tl_engine.base.words import duration, percent, size_words
from tl_engine.commands.printing import FAILED, FINISHED
from tl_engine.commands.understand import settings_of, whole_number
from tl_engine.lab.results import by_label, results
from tl_engine.lab.trials import asked_for, run_lab, trials
from tl_engine.sources.intake import load_data
from tl_engine.sources.samples import SAMPLES

MOST_REPEATS = 20


def lab_command(arguments: argparse.Namespace) -> int:
    """Run the trials that have not been run, then print what came of all. Raises EngineError before the first."""
    settings = settings_of(arguments)
    repeats = whole_number("repeats", arguments.repeats, 1, MOST_REPEATS)
    data = load_data(arguments.data, settings)
    named = arguments.data if arguments.data in SAMPLES else str(data.root)
    more = {"epochs": arguments.epochs} if arguments.epochs else {}
    asked = asked_for(arguments.set, arguments.architectures, arguments.strategies)
    wanted, impossible = trials(named, asked, repeats, more)
    done, left_out = run_lab(wanted, settings, lambda line: print(printable(line), file=sys.stderr, flush=True))
    found: dict[str, Any] = results(by_label(done)) | {"left_out": impossible + left_out}
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _print(found)
    return FINISHED if done else FAILED


def _print(found: dict[str, Any]) -> None:
    for row in found["rows"]:
        low, high = row["interval"] or (0.0, 1.0)
        spread = f", seeds ± {percent(row['spread'])}" if row["spread"] is not None else ""
        learnt = f"{row['learnt']:,} learnt" if row["learnt"] else ""
        print(printable(
            f"{row['label']}: {percent(row['accuracy'])} ({percent(low)} to {percent(high)}{spread}), "
            f"{duration(row['seconds'])}, {learnt}, {size_words(row['bytes'])}"
        ))  # fmt: skip
    for verdict in found["verdicts"]:
        print(printable(f"{verdict['first']} beside {verdict['second']}: {verdict['sentence']}"))
    for line in found["left_out"]:
        print(printable(f"left out: {line}"))
