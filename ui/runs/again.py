"""A run's settings put into the form again, and what of them could not be."""

from typing import Any

from tl_engine.backbones.architectures import ARCHITECTURES
from tl_engine.base.errors import EngineError
from tl_engine.ledger.differences import DATA, values_of
from tl_engine.runs.config import SETTINGS, TrainConfig, to_dict
from tl_engine.runs.run import Run
from tl_engine.workspaces import data_choices
from tl_engine.workspaces.workspace import Workspace
from ui.runs.beside import label_of

GONE = "its photos, which are not here or not yours: choose others in Photos"


def taken_over(run: Run, visitor: Workspace, offered: set[str]) -> tuple[dict[str, Any], str | None, list[str]]:
    """Values for the controls that are `offered`, the choice of its data, and what could not be taken over, in words.

    Raises EngineError where nothing can.
    """
    options = run.facts.options
    values = {name: options[name] for name in SETTINGS if name in offered and options.get(name) is not None}
    if not values:
        raise EngineError("The settings of this training are missing or damaged: nothing can be taken over.")
    values, missing = _fitting(values)
    choice = data_choices.choice_of(run.facts.data, visitor.settings, visitor.folder)
    if choice is None:
        missing.append(GONE)
    missing += _beyond(run, values)
    return values, choice, missing


def _fitting(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values that the controls take, and what is none of them: a form refuses what it does not offer."""
    kept, unfit = {}, []
    for name, value in values.items():
        try:
            converted = SETTINGS[name].converted(value)
            SETTINGS[name].check(converted)
            if name == "architecture" and converted not in ARCHITECTURES:
                raise EngineError
            kept[name] = converted
        except EngineError:
            unfit.append(f"{label_of(name).lower()} {value}")
    return kept, unfit


def _beyond(run: Run, values: dict[str, Any]) -> list[str]:
    """The settings that the form has no control for, where a training from the form would have other values."""
    try:
        would = to_dict(TrainConfig.from_options({**values, "data": run.facts.data}))
    except EngineError:  # the form says so when Train is pressed
        return []
    had = values_of(run)
    return [
        f"{label_of(name).lower()} {had[name].value}"
        for name in SETTINGS
        if name not in values and name not in (DATA, "architecture")
        and had[name].value is not None and had[name].used and had[name].value != would[name]
    ]  # fmt: skip
