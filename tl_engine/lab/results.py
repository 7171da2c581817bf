"""What the trials of a lab reached, and what can be said between them. No torch here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tl_engine.base.errors import EngineError
from tl_engine.base.events import ModelBuilt
from tl_engine.evaluation.compare import compare
from tl_engine.evaluation.figures import interval
from tl_engine.evaluation.judged import read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.lab.trials import Trial
from tl_engine.runs.run import Run


def by_label(done: Sequence[tuple[Trial, Run]]) -> dict[str, list[Run]]:
    """The runs of each backbone and strategy, a seed each."""
    groups: dict[str, list[Run]] = {}
    for trial, run in done:
        groups.setdefault(trial.label, []).append(run)
    return groups


def results(groups: Mapping[str, list[Run]]) -> dict[str, Any]:
    """A row for each backbone and strategy, the best first, and what can be said of the first beside each other one."""
    rows = sorted((_row(label, runs) for label, runs in groups.items()), key=lambda row: -row["accuracy"])
    verdicts = list(_verdicts(rows, groups))
    return {"rows": rows, "verdicts": verdicts}


def _row(label: str, runs: Sequence[Run]) -> dict[str, Any]:
    """What one backbone and strategy reached, over its seeds."""
    accuracies, right, photos = [], 0, 0
    for run in runs:
        judged = next(iter(read_judged(run.report).values()), None)
        ended = run.ended()
        accuracies.append(ended.best_val_accuracy or 0.0 if ended else 0.0)
        if judged is not None:
            right, photos = right + int((judged.predicted == judged.labels).sum()), photos + len(judged.labels)
    first = runs[0]
    built = [event for event in first.events()[0] if isinstance(event, ModelBuilt)]
    seconds = [ended.seconds for run in runs if (ended := run.ended())]
    return {
        "label": label,
        "architecture": first.facts.architecture,
        "strategy": first.facts.strategy,
        "accuracy": float(np.mean(accuracies)),
        "spread": float(np.std(accuracies)) if len(accuracies) > 1 else None,
        "interval": list(interval(right // len(runs), photos // len(runs))) if photos else None,
        "photos": photos // len(runs),
        "seconds": float(np.mean(seconds)),
        "learnt": built[-1].learning_parameters if built else None,
        "bytes": sum(file.stat().st_size for file in first.best.glob("*") if file.is_file()),
        "runs": [run.name for run in runs],
    }


def _verdicts(rows: Sequence[dict[str, Any]], groups: Mapping[str, list[Run]]) -> Iterator[dict[str, Any]]:
    """The first row beside each other one, on the photos of their first seed."""
    if not rows:
        return
    best = groups[rows[0]["label"]][0]
    for row in rows[1:]:
        other = groups[row["label"]][0]
        try:
            found = compare(best, other, (RunPhotos.of(best), RunPhotos.of(other)))
        except EngineError as error:
            yield {"first": rows[0]["label"], "second": row["label"], "sentence": str(error), "p_value": None}
            continue
        yield {"first": rows[0]["label"], "second": row["label"], "sentence": found["sentence"],
               "p_value": found["p_value"], "verdict": found["verdict"]}  # fmt: skip
