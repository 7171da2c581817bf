"""Does one classifier beat another? On the same photos, by those that only one of them gets right. No torch here."""

from typing import Any

import numpy as np

from tl_engine.base.errors import RunError
from tl_engine.base.words import plural
from tl_engine.evaluation.figures import interval
from tl_engine.evaluation.judged import Judged, read_judged
from tl_engine.evaluation.run_photos import RunPhotos
from tl_engine.runs.run import OPEN_STATES, Run

CHANCE = 0.05  # the p-value under which a difference is called one
BETTER, WORSE, SAME, NO_EVIDENCE = "better", "worse", "same answers", "no evidence"


def compare(first: Run, second: Run, photos: tuple[RunPhotos, RunPhotos]) -> dict[str, Any]:
    """How two runs do on the photos that judged both, known by their content; labels are those of the second.

    McNemar's exact test (https://doi.org/10.1007/BF02295996). Raises RunError where no photo judged both.
    """
    pair = _same_judge(first, second)
    rows: list[tuple[bool, bool]] = []
    relabelled = 0
    by_content = _by_content(pair[0], photos[0])
    for content, row in _by_content(pair[1], photos[1]).items():
        if content not in by_content:
            continue
        other = by_content[content]
        label = photos[1].classes[int(pair[1].labels[row])]
        relabelled += label != photos[0].classes[int(pair[0].labels[other])]
        one = photos[0].classes[int(pair[0].predicted[other])] == label
        rows.append((one, photos[1].classes[int(pair[1].predicted[row])] == label))
    if not rows:
        raise RunError("These two trainings were judged on different photos: train both on the same data.")
    right = np.array(rows)
    only_a, only_b = int((right[:, 0] & ~right[:, 1]).sum()), int((right[:, 1] & ~right[:, 0]).sum())
    p_value = _mcnemar(only_a, only_b)
    verdict = _verdict(only_a, only_b, p_value)
    return {
        "judged": pair[0].judge,
        "photos": len(rows),
        "right_a": int(right[:, 0].sum()),
        "right_b": int(right[:, 1].sum()),
        "only_a": only_a,
        "only_b": only_b,
        "both": int(right.all(1).sum()),
        "neither": int((~right).all(1).sum()),
        "judged_a": len(pair[0].labels),
        "judged_b": len(pair[1].labels),
        "interval_a": list(interval(int(right[:, 0].sum()), len(rows))),
        "interval_b": list(interval(int(right[:, 1].sum()), len(rows))),
        "p_value": p_value,
        "verdict": verdict,
        "relabelled": relabelled,
        "sentence": _sentence(verdict, len(rows), only_a, only_b, relabelled),
    }


def _same_judge(first: Run, second: Run) -> tuple[Judged, Judged]:
    one, two = read_judged(first.report), read_judged(second.report)
    for judge in one:
        if judge in two:
            return one[judge], two[judge]
    for which, run, found in (("first", first, one), ("second", second, two)):
        if not found and run.state() in OPEN_STATES:
            raise RunError(f"The {which} of these trainings has judged no photos yet: wait until it has ended.")
        if not found:
            raise RunError(f"The {which} of these trainings left no judged photos behind: train it again.")
    raise RunError("One of these trainings was judged in folds, the other by photos held out: use the same judge.")


def _by_content(judged: Judged, photos: RunPhotos) -> dict[str, int]:
    found: dict[str, int] = {}
    for row, file in enumerate(judged.files):
        if file in photos.listed:
            found.setdefault(str(photos.listed[file]["sha256"]), row)
    return found


def _mcnemar(only_a: int, only_b: int) -> float:
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def _verdict(only_a: int, only_b: int, p_value: float) -> str:
    if only_a + only_b == 0:
        return SAME
    if p_value >= CHANCE:
        return NO_EVIDENCE
    return BETTER if only_a > only_b else WORSE


def _sentence(verdict: str, photos: int, only_a: int, only_b: int, relabelled: int) -> str:
    again = (
        f" {plural(relabelled, 'label')} changed in between: both are counted with the new ones." if relabelled else ""
    )
    differ = (
        f"they differ on {only_a + only_b} of {plural(photos, 'photo')}, of which the first has {only_a} right and the "
        f"second {only_b}"
    )
    match verdict:
        case "same answers":
            return f"Both are right on the same of {plural(photos, 'photo')}.{again}"
        case "better":
            return f"The first is better: {differ}.{again}"
        case "worse":
            return f"The second is better: {differ}.{again}"
    return f"No evidence that one is better: {differ}; that could be chance.{again}"
