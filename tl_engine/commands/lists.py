"""`python -m tl_engine architectures`, `runs` and `stop`: what there is, and an end to one of it."""

import argparse
import json
from typing import Any

from tl_engine.backbones.architectures import ARCHITECTURES, Architecture
from tl_engine.backbones.weights import WeightsSource, find_weights
from tl_engine.base.errors import ConfigError
from tl_engine.base.names import printable
from tl_engine.base.settings import Settings
from tl_engine.commands.printing import FINISHED
from tl_engine.runs import queue
from tl_engine.runs.find import named_run
from tl_engine.runs.run import Run, list_runs
from tl_engine.vitals.causes import cause_of_death
from tl_engine.vitals.pulse import silence, silence_words

UNFINISHED = ("failed", "stopped", "interrupted", "running")  # states that may have a reason worth a word


def architectures_command(arguments: argparse.Namespace) -> int:
    """Every backbone with what it needs here."""
    settings = Settings.make(weights_dir=arguments.weights_dir)
    show = _show_architecture_json if arguments.json else _show_architecture
    for row in ARCHITECTURES.values():
        show(row, find_weights(row, settings))
    return FINISHED


def _show_architecture_json(row: Architecture, source: WeightsSource) -> None:
    facts = {
        "name": row.name,
        "label": row.label,
        "available": source.available,
        "source": source.label,
        "image_size": row.image_size,
        "parameters": row.parameters,
    }
    print(json.dumps(facts))


def _show_architecture(row: Architecture, source: WeightsSource) -> None:
    mark = "works now" if source.available else "needs"
    size = f"{row.image_size:4} px {(row.parameters or 0) / 1e6:6.1f} M"
    print(f"{row.name:20} {row.label:36} {size}  {mark}: {source.label}")


def runs_command(arguments: argparse.Namespace) -> int:
    """Every run, the newest first."""
    settings = Settings.make(runs=arguments.runs)
    if settings.runs.exists() and not settings.runs.is_dir():
        raise ConfigError(f"{settings.runs.name} is no folder: name the folder of the runs.")
    for run in list_runs(settings):
        facts = _facts(run)
        if arguments.json:
            print(json.dumps(facts, ensure_ascii=False))
        else:
            best = "" if facts["best_val_accuracy"] is None else f"  accuracy {facts['best_val_accuracy']:.3f}"
            why = f"  ({facts['reason']})" if facts["state"] in UNFINISHED and facts["reason"] else ""
            print(printable(f"{run.name}  {facts['state']}  {facts['architecture']} on {facts['data']}{best}{why}"))
    return FINISHED


def _facts(run: Run) -> dict[str, Any]:
    asked, ended, state = run.facts, run.ended(), run.state()
    return {
        "name": run.name,
        "state": state,
        "data": asked.data,
        "architecture": asked.architecture,
        "strategy": asked.strategy,
        "best_val_accuracy": ended.best_val_accuracy if ended else None,
        "reason": ended.reason if ended else _unended(run, state),
        "run_folder": str(run.folder),
    }


def _unended(run: Run, state: str) -> str | None:
    """What there is to say of a run that told no end: what it died of, or that it is silent."""
    if state == "interrupted":
        return cause_of_death(run)
    silent = silence(run) if state == "running" else None
    return silence_words(silent) if silent else None


def stop_command(arguments: argparse.Namespace) -> int:
    """Stop a run by name or folder."""
    run = named_run(arguments.run, Settings.make(runs=arguments.runs))
    queue.stop(run, Settings.make(runs=str(run.folder.parent)))
    print(printable(f"{run.name} is {run.state()}"))
    return FINISHED
