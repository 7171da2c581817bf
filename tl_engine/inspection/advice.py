"""What a data report means, in plain sentences: why a finding matters and what to do about it. No torch here."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tl_engine.data.dataset import FEW
from tl_engine.inspection.duplicates import BURST
from tl_engine.inspection.findings import NEAR, Duplicates

if TYPE_CHECKING:  # the report is made with these sentences
    from tl_engine.inspection.findings import Report

LIKELY = 0.88  # the accuracy at which noise is told, where nobody knows it yet
UNEVEN = 3.0  # times as many photos in the largest class as in the smallest


def noise(photos: int, accuracy: float = LIKELY) -> int:
    """Points of accuracy that chance alone moves a result on so many photos (half a 95 % interval)."""
    return math.ceil(100 * 1.96 * math.sqrt(accuracy * (1 - accuracy) / photos))


def advice(report: "Report") -> Iterator[str]:
    """Plain sentences, what matters most first."""
    yield from _on_duplicates(report.duplicates)
    if number := len(report.suspicious_labels):
        yield f"{_photos(number)} {_are(number)} labelled unlike the photos around: look at them, the likeliest first."
    yield from _on_counts(report)
    if number := sum(max(1, finding.get("files", 1)) for finding in report.left_out):
        yield f"{_count(number, 'file')} {'takes' if number == 1 else 'take'} no part; each is named with the reason."
    for kind, found in (("tiny", report.tiny), ("odd", report.odd)):
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            names = ", ".join(finding["file"] for finding in found[:3]) + more
            yield f"{_photos(len(found))} {_are(len(found))} {kind}: {names}."
    if report.converted:
        number = len(report.converted)
        yield f"{_photos(number)} {'was' if number == 1 else 'were'} converted to upright RGB; nothing is to be done."
    if report.separability:
        yield _on_separability(report.separability)


def _on_duplicates(found: Sequence[Duplicates]) -> Iterator[str]:
    across = sum(d.across_splits for d in found)
    classes = sum(d.across_classes for d in found)
    inside = sum(not d.across_splits and not d.across_classes for d in found)
    bursts = sum(d.kind == NEAR and len(d.files) > BURST for d in found)
    if across:
        yield (
            f"{_photos(across)} {_are(across)} in training and in validation at once: the result will look better than "
            "it is; keep one of each, on one side."
        )
    if classes:
        yield f"{_photos(classes)} {_are(classes)} in two classes at once: one of the labels must be wrong."
    if inside:
        yield f"{_photos(inside)} {_are(inside)} there more than once: each copy counts again; keep one of each."
    if bursts:
        yield (
            f"{_count(bursts, 'group')} of many photos {'looks' if bursts == 1 else 'look'} like bursts of one scene: "
            "leave some out by hand, and take photos in other places too."
        )


def _on_counts(report: "Report") -> Iterator[str]:
    totals = {name: sum(splits.values()) for name, splits in report.classes.items()}
    checked = sum(splits.get("val", 0) for splits in report.classes.values())
    if checked:
        yield f"{_count(checked, 'validation photo')}: differences under {noise(checked)} points are noise."
    else:  # a head that is solved is judged in folds
        every = sum(totals.values())
        yield f"All {_count(every, 'photo')} teach and check: differences under {noise(every)} points are noise."
    few = [name for name, splits in report.classes.items() if splits.get("train", 0) < FEW]
    if few:
        names = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
        yield f"Fewer than {FEW} training photos: {names}; more photos would help most there."
    largest, smallest = max(totals, key=lambda n: totals[n]), min(totals, key=lambda n: totals[n])
    if totals[largest] >= UNEVEN * totals[smallest]:
        yield (
            f"The class {largest} has {totals[largest] / max(1, totals[smallest]):.1f} times as many photos as "
            f"{smallest}: turn on class weights, or rare classes will seldom be named."
        )


def _on_separability(separability: dict[str, Any]) -> str:
    told = f"Before any training, {separability['accuracy']:.0%} of the photos look most like their own class"
    if not separability["alike"]:
        return f"{told}."
    pair = separability["alike"][0]
    return f"{told}; the most alike are {' and '.join(pair['classes'])} ({pair['share']:.0%} look like the other)."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _photos(number: int) -> str:
    return _count(number, "photo")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
