"""A run in a list: when, on what, with what, how well."""

from tl_engine.base.words import clock, percent
from tl_engine.runs.run import Run
from ui.parts.wording import STATE_WORDS


def label(run: Run) -> str:
    """A run in a list: when, on what, with what, how well."""
    facts, ended, state = run.facts, run.ended(), run.state()
    data = facts.data.rstrip("/").rsplit("/", 1)[-1]
    outcome = STATE_WORDS[state].lower()
    if ended and ended.best_val_accuracy is not None:
        outcome += f" {percent(ended.best_val_accuracy)}"
    return f"{clock(facts.created)}: {data[:30]}, {outcome}, {facts.architecture}, {facts.strategy}"
